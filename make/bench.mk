# Figures: size, instructions, speed, accuracy

.PHONY: size
size: ## Bytes, seconds and MB of compiling, gcc and clang; largest functions; lines; BUDGET=1 fails
	$(call TAKES,4 minutes for all builds)
	@perl bench/size.pl $(if $(filter-out 0,$(BUDGET)),--budget) $(if $(BUILDS),'$(BUILDS)')

# ---- Instructions -------------------------------------------------------------------------------

# Without valgrind and its header there is no program, and bench/instructions.sh says so.
build/bench/instructions: bench/instructions.c build/gcc/normalize.o
	@mkdir -p $(@D)
	@if ! command -v valgrind >/dev/null; then rm -f $@; exit 0; fi; \
	echo "gcc -O2 $<"; \
	gcc -std=gnu99 -O2 $(WARNINGS) -o $@ $< build/gcc/normalize.o -lm

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

# What the tests are linked with will do, where it is the same.
ifeq ($(BENCH_CC) $(BENCH_FLAGS),gcc -O2)
build/bench/normalize.o: build/gcc/normalize.o
	@mkdir -p $(@D)
	@cp $< $@
else
build/bench/normalize.o: normalize.h
	@mkdir -p $(@D)
	$(call TAKES,8 seconds)
	$(BENCH_MAKE) $(BENCH_FLAGS) -DNORMALIZE_IMPLEMENTATION -o $@ -x c -c $<
endif
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
report: ## bench/results/<machine>.json, RESULTS.md, charts: what bench and bench-peers measured
	@command -v gnuplot >/dev/null || { echo "no gnuplot here (make deps-bench)"; exit 1; }
	@perl bench/report.pl $(BENCH_JSON) build/bench/peers.jsonl
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
# Each is taken if its headers are there: Debian's oneDNN and PyTorch, what `make deps-peers` puts
# into build/peers, or those below DNNL_DIR, ORT_DIR, TORCH_DIR and GGML_DIR, which hold include/
# and lib/ (or lib64/). TORCH_DIR: else the torch that a python3 imports.

PEERS_PYTHON = build/peers/bin/python3
found_torch = $(shell for python in $(PYTHON) $(PEERS_PYTHON) build/venv/bin/python3 python3; do \
    "$$python" -c 'import importlib.util as u; print(u.find_spec("torch").origin[:-12])' \
        2>/dev/null && break; done)
DNNL_DIR  ?= $(patsubst %/include/oneapi,%,$(abspath $(wildcard build/peers/include/oneapi)))
ORT_DIR   ?=
GGML_DIR  ?=
TORCH_DIR ?= $(found_torch)

PEER_FLAGS  = $(WARNINGS) -O2 -fPIC -shared
libraries   = $(if $(1),$(foreach lib,lib lib64,-L$(1)/$(lib) -Wl$(comma)-rpath$(comma)$(1)/$(lib)))
headers     = $(if $(1),-isystem $(1)/include)
TORCH_HERE   = $(eval TORCH_HERE := $(TORCH_DIR))$(TORCH_HERE)
FLAGS_onednn = $(call headers,$(DNNL_DIR))
LIBS_onednn  = $(call libraries,$(DNNL_DIR)) -ldnnl
FLAGS_ort    = $(call headers,$(ORT_DIR))
LIBS_ort     = $(call libraries,$(ORT_DIR)) -lonnxruntime
FLAGS_torch  = $(call headers,$(TORCH_HERE)) \
    -isystem $(or $(TORCH_HERE),/usr)/include/torch/csrc/api/include
LIBS_torch   = $(call libraries,$(TORCH_HERE)) -ltorch -ltorch_cpu -lc10
FLAGS_ggml   = $(call headers,$(GGML_DIR))
LIBS_ggml    = $(call libraries,$(GGML_DIR)) -lggml-cpu -lggml-base

PEERS = onednn ort torch ggml
has_header = $(shell $(CXX) $(FLAGS_$(1)) -x c++ -M -include $(2) /dev/null >/dev/null 2>&1 && \
    echo $(1))
HAS_PEERS  = $(call has_header,onednn,oneapi/dnnl/dnnl.h) \
    $(call has_header,ort,onnxruntime_c_api.h) $(call has_header,torch,torch/version.h) \
    $(call has_header,ggml,ggml-cpu.h)

# Changes where a directory does.
PEERS_DIRS = $(DNNL_DIR) $(ORT_DIR) $(TORCH_HERE) $(GGML_DIR)
build/bench/peers.dirs: FORCE
	@mkdir -p $(@D)
	@echo '$(PEERS_DIRS)' | cmp -s - $@ || echo '$(PEERS_DIRS)' > $@

build/bench/peer_onednn.so build/bench/peer_ort.so build/bench/peer_ggml.so: \
    build/bench/peer_%.so: bench/peer_%.c bench/peers.h normalize.h build/bench/peers.dirs
	$(CC) -std=c99 $(PEER_FLAGS) $(FLAGS_$*) -o $@ $< $(LIBS_$*)

build/bench/peer_torch.so: bench/peer_torch.cpp bench/peers.h normalize.h build/bench/peers.dirs
	$(call TAKES,half a minute)
	$(CXX) -std=c++17 $(PEER_FLAGS) $(FLAGS_torch) -o $@ $< $(LIBS_torch)

build/bench/load.o: bench/load.c bench/peers.h normalize.h
	@mkdir -p $(@D)
	$(CC) -std=c99 -O2 $(WARNINGS) -o $@ -c $<

# A layer as it is timed, and the programs that time one or all.
LAYER_OBJECTS := $(addprefix build/bench/,layer.o normalize.o move.o load.o naive_narrow.o \
    naive_wide.o)
build/bench/layer.o: bench/layer.c $(wildcard bench/*.h) $(HEADERS)
	@mkdir -p $(@D)
	$(BENCH_MAKE) -O2 -pthread -o $@ -c $<
build/bench/time build/bench/peers: build/bench/%: bench/%.c $(wildcard bench/*.h) $(HEADERS) \
    $(LAYER_OBJECTS)
	$(BENCH_MAKE) -O2 -DBENCH_FLAGS='"$(BENCH_FLAGS)"' -pthread -rdynamic \
	    -o $@ $< $(LAYER_OBJECTS) -ldl -lm

# Those that are here; $(1): the program that takes them.
with_peers = @rm -f $(patsubst %,build/bench/peer_%.so,$(filter-out $(HAS_PEERS),$(PEERS))); \
    $(MAKE) $(if $(2),-s) $(1) $(patsubst %,build/bench/peer_%.so,$(HAS_PEERS))

.PHONY: FORCE bench-peers
FORCE:
bench-peers: ## Beside oneDNN, onnxruntime, PyTorch, ggml; ORT_DIR= GGML_DIR= ARGS="--only layer"
	$(call TAKES,10 minutes for all rows)
	$(call with_peers,build/bench/peers)
	@COMMIT=$(COMMIT) build/bench/peers $(ARGS)

# ---- One layer of your own ----------------------------------------------------------------------

CASE ?=

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
	@examples/which_norm/digits.sh build/which_norm/digits.csv
	@status=0; parts=; trap 'kill $$parts' INT TERM; \
	for k in $$(seq 0 $$(($(JOBS) - 1))); do \
	    $(WHICH_NORM) --part $$k/$(JOBS) build/which_norm/digits.csv \
	        >build/which_norm/part-$$k.csv & parts="$$parts $$!"; \
	done; \
	for part in $$parts; do wait $$part || status=1; done; \
	[ $$status = 0 ] && perl examples/which_norm/report.pl build/which_norm/part-*.csv
