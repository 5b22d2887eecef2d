# Figures: size, instructions, speed, accuracy

.PHONY: size
size: ## Bytes, seconds and MB of compiling, gcc and clang; largest functions; lines; BUDGET=1 fails
	$(call TAKES,4 minutes for all builds)
	@perl bench/size.pl $(if $(filter-out 0,$(BUDGET)),--budget) $(if $(BUILDS),'$(BUILDS)')

# ---- Instructions -------------------------------------------------------------------------------

# Without valgrind and its header there is no program, and bench/instructions.sh says so.
build/bench/instructions: bench/instructions.c normalize.h
	@mkdir -p $(@D)
	@if ! command -v valgrind >/dev/null; then rm -f $@; exit 0; fi; \
	echo "gcc -O2 $<, with normalize.h (8 s)"; \
	gcc -std=gnu99 -O2 $(WARNINGS) -o $@ $< -lm

.PHONY: instructions instructions-write
instructions: build/bench/instructions ## Instruction counts by callgrind; 1% above the table fails
	$(call TAKES,a minute)
	@$(PROVE) 'bench/instructions.sh $<'
instructions-write: build/bench/instructions ## Write that table, bench/instructions.txt
	@bench/instructions.sh $< --write

.PHONY: check-simd
check-simd: ## NEON (instructions, qemu) and WASM (time, node) at least twice as fast as scalar
	$(call TAKES,a minute)
	@$(PROVE) bench/simd.sh

# ---- Benchmark ----------------------------------------------------------------------------------

# The library is built as users build it, what it is compared with for this machine.
BENCH_CC    ?= gcc
BENCH_CXX   ?= g++
BENCH_FLAGS ?= -O2
BENCH_JSON  ?= build/bench/bench.json
BENCH_MAKE   = $(BENCH_CC) -std=gnu99 $(WARNINGS)
BENCH_NATIVE = -O3 -march=native
# Plain loops in vectors of 256 and of 512 bits, where compiler and processor have both.
width_of = -mprefer-vector-width=$(1)
has_512 = $(shell $(BENCH_CC) $(BENCH_NATIVE) $(call width_of,512) -dM -E -x c /dev/null \
    2>/dev/null | grep __AVX512F__)
NAIVE_narrow = $(if $(has_512),$(call width_of,256))
NAIVE_wide   = $(if $(has_512),$(call width_of,512),-DNAIVE_NONE)
COMMIT       = $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)

build/bench/normalize.o: normalize.h
	@mkdir -p $(@D)
	$(call TAKES,8 seconds)
	$(BENCH_MAKE) $(BENCH_FLAGS) -DNORMALIZE_IMPLEMENTATION -o $@ -x c -c $<
build/bench/cases.o: bench/cases.c $(wildcard bench/*.h) normalize.h
	@mkdir -p $(@D)
	$(BENCH_MAKE) -O2 -DBENCH_FLAGS='"$(BENCH_FLAGS)"' -pthread -o $@ -c $<
build/bench/move.o: bench/move.c bench/move.h
	@mkdir -p $(@D)
	$(BENCH_MAKE) $(BENCH_NATIVE) -o $@ -c $<
build/bench/naive_narrow.o build/bench/naive_wide.o: build/bench/naive_%.o: bench/naive.c \
    bench/naive.h normalize.h
	@mkdir -p $(@D)
	$(BENCH_MAKE) $(BENCH_NATIVE) -ffast-math -DNAIVE=naive_$* $(NAIVE_$*) -o $@ -c $<
build/bench/shim.o: bench/shim.cpp bench/shim.h
	@mkdir -p $(@D)
	$(BENCH_CXX) -std=c++11 $(WARNINGS) -O2 -o $@ -c $<
build/bench/bench: $(addprefix build/bench/,normalize.o cases.o move.o naive_narrow.o \
    naive_wide.o shim.o)
	$(BENCH_CXX) -o $@ $^ -lbenchmark -pthread -lm

BENCH_RUN = build/bench/bench --benchmark_out=$(BENCH_JSON) --benchmark_context=commit=$(COMMIT)

.PHONY: bench bench-all bench-build
bench-build:
	@if $(BENCH_CXX) -x c++ -E -include benchmark/benchmark.h /dev/null >/dev/null 2>&1; then \
	    $(MAKE) -j$(JOBS) build/bench/bench; \
	else \
	    echo "no benchmark/benchmark.h here (make deps-bench)"; exit 1; \
	fi
bench: bench-build ## NCHW and NHWC, limits of memory, plain loops: four minutes; BENCH_ARGS=...
	@$(BENCH_RUN) $(BENCH_ARGS)
	@perl bench/table.pl $(BENCH_JSON)
bench-all: bench-build ## The same for every shape, one thing varied at a time: most of an hour
	@$(BENCH_RUN) --all $(BENCH_ARGS)
	@perl bench/table.pl $(BENCH_JSON)

.PHONY: report bench-diff
report: ## bench/RESULTS.md and its charts, from build/bench/bench.json and peers.txt (gnuplot)
	@command -v gnuplot >/dev/null || { echo "no gnuplot here (make deps-bench)"; exit 1; }
	@[ -f $(BENCH_JSON) ] || { echo "no $(BENCH_JSON): make bench"; exit 1; }
	@perl bench/report.pl $(BENCH_JSON) build/bench/peers.txt
	@if ls bench/results/*.json >/dev/null 2>&1; then perl bench/page.pl; fi
bench-diff: ## What changed beyond the noise; BASE=old.json NEW=new.json DIFF_ARGS=--fail
	@[ -n "$(BASE)" ] || { echo "bench-diff: BASE=old.json [NEW=$(BENCH_JSON)]"; exit 1; }
	@perl bench/diff.pl $(DIFF_ARGS) $(BASE) $(or $(NEW),$(BENCH_JSON))

# ---- The page of results ------------------------------------------------------------------------

.PHONY: bench-page check-page
bench-page: ## docs/bench/index.html of bench/results/*.json: all machines on one page
	@perl bench/page.pl
check-page: NEEDS := deps-page:chromium
check-page: ## That page in a headless Chromium, with a sample; SHOTS=1: pictures, in build/page
	$(call TAKES,ten seconds)
	@$(PROVE) 'perl tests/page/bench.pl'

# ---- Peers --------------------------------------------------------------------------------------
#
# Each is taken if its headers are there: Debian's, or those below DNNL_DIR and TORCH_DIR. oneDNN is
# looked for in DNNL_DIR/include and DNNL_DIR/lib or lib64; the interfaces of versions 2 and 3 do.

DNNL_DIR ?=
TORCH_DIR ?=
ROUNDS ?= 15

PEER_FLAGS  = $(WARNINGS) -O2 -fPIC -shared
libraries   = $(foreach lib,lib lib64,-L$(1)/$(lib) -Wl$(comma)-rpath$(comma)$(1)/$(lib))
DNNL_FLAGS  = $(if $(DNNL_DIR),-I$(DNNL_DIR)/include)
DNNL_LIBS   = $(if $(DNNL_DIR),$(call libraries,$(DNNL_DIR))) -ldnnl
TORCH_FLAGS = $(if $(TORCH_DIR),-I$(TORCH_DIR)/include) \
    -I$(or $(TORCH_DIR),/usr)/include/torch/csrc/api/include
TORCH_LIBS  = $(if $(TORCH_DIR),$(call libraries,$(TORCH_DIR))) -ltorch -ltorch_cpu -lc10

has_header = $(shell $(CXX) $(2) -x c++ -M -include $(1) /dev/null >/dev/null 2>&1 && echo yes)
HAS_PEERS  = $(if $(call has_header,oneapi/dnnl/dnnl.h,$(DNNL_FLAGS)),onednn) \
    $(if $(call has_header,torch/version.h,$(TORCH_FLAGS)),torch)

# Changes where a directory does.
build/bench/peers.dirs: FORCE
	@mkdir -p $(@D)
	@echo '$(DNNL_DIR) $(TORCH_DIR)' | cmp -s - $@ || echo '$(DNNL_DIR) $(TORCH_DIR)' > $@

build/bench/peer_onednn.so: bench/peer_onednn.c bench/peers.h normalize.h build/bench/peers.dirs
	$(CC) -std=c99 $(PEER_FLAGS) $(DNNL_FLAGS) -o $@ $< $(DNNL_LIBS)

build/bench/peer_torch.so: bench/peer_torch.cpp bench/peers.h normalize.h build/bench/peers.dirs
	$(CXX) -std=c++17 $(PEER_FLAGS) $(TORCH_FLAGS) -o $@ $< $(TORCH_LIBS)

build/bench/load.o: bench/load.c bench/peers.h normalize.h
	@mkdir -p $(@D)
	$(CC) -std=c99 -O2 $(WARNINGS) -o $@ -c $<

PEERS_OBJECTS := $(addprefix build/bench/,normalize.o move.o load.o)
build/bench/peers: bench/peers.c $(wildcard bench/*.h) $(PEERS_OBJECTS)
	$(CC) -std=gnu99 -O2 $(WARNINGS) -pthread -rdynamic -o $@ $< $(PEERS_OBJECTS) -ldl -lm

# Those that are here; $(1): the program that takes them.
with_peers = @rm -f $(patsubst %,build/bench/peer_%.so,$(filter-out $(HAS_PEERS),onednn torch)); \
    $(MAKE) $(if $(2),-s) $(1) $(patsubst %,build/bench/peer_%.so,$(HAS_PEERS))

.PHONY: FORCE bench-peers
FORCE:
bench-peers: ## Beside oneDNN and PyTorch, in turn: a minute; ROUNDS=15 DNNL_DIR= ARGS='--threads 2'
	$(call with_peers,build/bench/peers)
	@ROUNDS=$(ROUNDS) build/bench/peers $(ARGS)

# ---- One layer of your own ----------------------------------------------------------------------

CASE ?=

TIME_OBJECTS := $(PEERS_OBJECTS) $(addprefix build/bench/,naive_narrow.o naive_wide.o)
build/bench/time: bench/time.c $(wildcard bench/*.h) $(HEADERS) $(TIME_OBJECTS)
	@echo "gcc -O2 bench/time.c (2 s)"
	@$(CC) -std=gnu99 -O2 $(WARNINGS) -pthread -rdynamic -o $@ $< $(TIME_OBJECTS) -ldl -lm

.PHONY: time check-time
check-time: build/bench/time
	@$(PROVE) 'bench/time.sh $<'
time: ## Your layer: NCHW or NHWC, the limit, who else is fast: CASE="batch train 8x96x28x28"
	$(call with_peers,build/bench/time,quiet)
	@build/bench/time '$(CASE)'

# ---- Accuracy -----------------------------------------------------------------------------------
#
# With the peers of above. The textbook's loops are compiled as they are written: nothing is fused.

build/bench/accuracy: bench/accuracy.c bench/textbook.h bench/peers.h $(HEADERS) \
    build/bench/normalize.o build/bench/load.o
	$(CC) -std=gnu99 -O2 -ffp-contract=off $(WARNINGS) -rdynamic -o $@ $< \
	    build/bench/normalize.o build/bench/load.o -ldl -lm

.PHONY: accuracy
accuracy: build/gcc/test_adversary ## Worst errors of ours and of peers: docs/ACCURACY.md
	$(call with_peers,build/bench/accuracy)
	@status=0; \
	build/bench/accuracy $(ARGS) || status=1; \
	build/gcc/test_adversary >build/bench/adversary.txt || status=1; \
	perl bench/accuracy.pl || status=1; \
	exit $$status

# ---- Which norm? --------------------------------------------------------------------------------
#
# Each processor takes a share of the runs. The figures are the same for any number of shares.

.PHONY: which-norm
which-norm: $(WHICH_NORM) ## Which norm for what: small nets with each; docs/choosing.md; minutes
	@mkdir -p build/which_norm; rm -f build/which_norm/*.csv
	@status=0; parts=; trap 'kill $$parts' INT TERM; \
	for k in $$(seq 0 $$(($(JOBS) - 1))); do \
	    $(WHICH_NORM) --part $$k/$(JOBS) >build/which_norm/part-$$k.csv & parts="$$parts $$!"; \
	done; \
	for part in $$parts; do wait $$part || status=1; done; \
	[ $$status = 0 ] && perl examples/which_norm/report.pl build/which_norm/part-*.csv
