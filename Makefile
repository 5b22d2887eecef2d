# normalize.h needs no build. This file builds and runs what is around it: `make` lists the targets.

MAKEFLAGS += --no-print-directory
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PARALLEL = +@$(MAKE) -j$(JOBS)
PROVE = prove --timer -j$(JOBS)

TESTS    := $(patsubst tests/%.c,%,$(wildcard tests/test_*.c))
EXAMPLES := $(patsubst examples/%.c,%,$(wildcard examples/*.c))
HEADERS  := $(wildcard tests/*.h)
WARNINGS := -Wall -Wextra

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- Builds -------------------------------------------------------------------------------------
#
# A build is a directory under build/ that holds the tests as one compiler with one set of flags
# makes them. All builds are in the tables below: NAME, compiler, flags.
#
# Every test holds the implementation, so that `cc tests/test_x.c -lm` is enough for a reader. Here
# it is compiled once for each build (it takes a compiler some ten seconds) and the tests are linked
# with it: they are told that the implementation has been seen already. Tests that look inside, by
# its private names, are built whole; so is test_threads, which has small calls cut up, except in
# the builds that do so for every test.

CUT_UP := -DNRM_POOL_MIN=1
WHOLE  := $(patsubst tests/%.c,%,$(shell grep -l 'NRMI_\|nrmi_' tests/test_*.c))
comma  := ,
# The tests of a build with flags $(2), in directory build/$(1).
whole   = $(WHOLE) $(if $(findstring $(CUT_UP),$(2)),,test_threads)
linked  = $(filter-out $(whole),$(TESTS))
programs_whole  = $(addprefix build/$(1)/,$(whole))
programs_linked = $(addprefix build/$(1)/,$(linked))

define build
build/$(1)/normalize.o: normalize.h Makefile
	@mkdir -p $$(@D)
	@echo "$(2) $(3) normalize.h"
	@$(2) -std=gnu99 $(3) -DNORMALIZE_IMPLEMENTATION -o $$@ -x c -c normalize.h

$(call programs_whole,$(1),$(3)): build/$(1)/%: tests/%.c normalize.h $(HEADERS) Makefile
	@mkdir -p $$(@D)
	@echo "$(2) $(3) $$<"
	@$(2) -std=gnu99 $(WARNINGS) $(3) -pthread -o $$@ $$< -lm

$(call programs_linked,$(1),$(3)): build/$(1)/%: tests/%.c build/$(1)/normalize.o $(HEADERS)
	@echo "$(2) $(3) $$<"
	@$(2) -std=gnu99 $(WARNINGS) $(3) -pthread -DNRMI_IMPLEMENTED -o $$@ $$< \
	    build/$(1)/normalize.o -lm
endef

# make test; Valgrind 3.19 reads clang's line tables as DWARF 4 only
$(eval $(call build,gcc,gcc,-O2))
$(eval $(call build,clang,clang,-O2 -gdwarf-4 -gline-tables-only))

# make check-flags: every output bit is to be the same under all of these. -Ofast and -ffast-math
# set flush-to-zero for the whole program where they are given to the linker, as they are here.
FLAGS_O0       := -O0
FLAGS_O2       := -O2
FLAGS_O3native := -O3 -march=native
FLAGS_Ofast    := -Ofast -march=native
FLAGS_fastmath := -O2 -ffast-math
FLAGS_contract := -O2 -mfma -ffp-contract=fast
FLAG_SETS      := O0 O2 O3native Ofast fastmath contract
FLAG_BUILDS    := $(foreach set,$(FLAG_SETS),flags-gcc-$(set) flags-clang-$(set))
$(foreach set,$(FLAG_SETS),\
    $(eval $(call build,flags-gcc-$(set),gcc,$(FLAGS_$(set))))\
    $(eval $(call build,flags-clang-$(set),clang,$(FLAGS_$(set)))))

# make check-san, check-threads. Line tables alone and, for gcc, without the address sanitizer: it
# takes gcc 100 s of compiling where clang takes 39 s, and both look for the same.
SAN := -O1 -g1 -fno-omit-frame-pointer -fno-sanitize-recover=all $(CUT_UP)
$(eval $(call build,san-gcc,gcc,$(SAN) -fsanitize=undefined))
$(eval $(call build,san-clang,clang,$(SAN) -fsanitize=address$(comma)undefined))
$(eval $(call build,san-memory,clang,$(SAN) -fsanitize=memory))
$(eval $(call build,san-thread,clang,$(SAN) -fsanitize=thread))

# Linked, to save time, but otherwise as their comments say. `make demo` builds the first one whole.
build/examples/06_threads_pthread: EXAMPLE_FLAGS := -pthread
build/examples/07_threads_openmp: EXAMPLE_FLAGS := -fopenmp

build/examples/%: examples/%.c build/gcc/normalize.o Makefile
	@mkdir -p $(@D)
	@echo "gcc -O2 $(EXAMPLE_FLAGS) $<"
	@gcc -O2 $(EXAMPLE_FLAGS) $(WARNINGS) -DNRMI_IMPLEMENTED -o $@ $< build/gcc/normalize.o -lm

# Without MPI there is an empty file, and running it is skipped.
build/examples/%_mpi: examples/%_mpi.c build/gcc/normalize.o Makefile
	@mkdir -p $(@D)
	@if ! command -v mpicc >/dev/null; then touch $@; exit 0; fi; \
	echo "mpicc -O2 $<"; \
	mpicc -O2 $(WARNINGS) -DNRMI_IMPLEMENTED -o $@ $< build/gcc/normalize.o -lm

build/san-thread/06_threads_pthread: examples/06_threads_pthread.c build/san-thread/normalize.o
	@echo "clang -fsanitize=thread $<"
	@clang $(SAN) -fsanitize=thread -pthread -DNRMI_IMPLEMENTED -o $@ $^ -lm

# ---- Packages -----------------------------------------------------------------------------------

# libc6-dev comes with gcc and clang, OpenMP with gcc, objdump and nm with binutils, prove with
# perl. The sanitizers of clang are a package of their own. Of the MPIs, mpirun of mpich starts more
# ranks than there are processors, and as root, without being told so.
PACKAGES := make gcc g++ clang libclang-rt-dev binutils perl valgrind mpich libmpich-dev

.PHONY: deps
deps: ## Install what the other targets need (Debian packages; only those that are missing)
	@if ! command -v dpkg >/dev/null; then \
	    echo "deps: not a Debian system; these should be there: $(PACKAGES)"; exit 0; fi; \
	missing=; for p in $(PACKAGES); do \
	    dpkg -s $$p 2>/dev/null | grep -q '^Status: install ok installed' || missing="$$missing $$p"; \
	done; \
	if [ -z "$$missing" ]; then echo "deps: all there ($(PACKAGES))"; exit 0; fi; \
	echo "deps: installing$$missing"; \
	sudo=; if [ "$$(id -u)" != 0 ]; then sudo=sudo; fi; \
	if [ -n "$$sudo" ] && ! command -v sudo >/dev/null; then \
	    echo "deps: neither root nor sudo; please install$$missing"; exit 1; fi; \
	$$sudo apt-get update -qq && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing

# ---- Tests --------------------------------------------------------------------------------------

TEST_PROGRAMS := $(foreach build,gcc clang,$(TESTS:%=build/$(build)/%))
MPI_EXAMPLES  := $(patsubst %,build/examples/%,$(filter %_mpi,$(EXAMPLES)))
ONE_PROCESS   := $(patsubst %,build/examples/%,$(filter-out %_mpi,$(EXAMPLES)))
MPI_RUN       := tests/tap.sh --needs mpicc,mpirun --status mpirun -np

.PHONY: test build-test
build-test: $(TEST_PROGRAMS) $(ONE_PROCESS) $(MPI_EXAMPLES)
test: ## Build and run the tests (gcc and clang) and the examples
	$(PARALLEL) build-test
	@status=0; \
	$(PROVE) --exec tests/tap.sh $(TEST_PROGRAMS) || status=1; \
	$(PROVE) --exec 'tests/tap.sh --status' $(ONE_PROCESS) || status=1; \
	for ranks in 1 4; do prove --exec "$(MPI_RUN) $$ranks" $(MPI_EXAMPLES) || status=1; done; \
	JOBS=$(JOBS) prove --exec tests/tap.sh tests/include/run.sh :: quick || status=1; \
	exit $$status

.PHONY: demo
demo: build/demo ## Layer norm of rows far from zero, beside the usual formula
	@build/demo

build/demo: examples/01_layernorm.c normalize.h
	@mkdir -p $(@D)
	$(CC) -O2 $(WARNINGS) -o $@ $< -lm

.PHONY: check-include
check-include: ## gcc and clang x standards x -O0 -O3 x options; symbols, macros, pragmas, stack
	@JOBS=$(JOBS) prove --exec tests/tap.sh tests/include/run.sh

# The golden hashes under every flag set, and all instruction sets against each other under those
# that change the most. Here and under the sanitizers test_isa draws FEWER of its random problems
# (2000 otherwise): the code they run is the same, and memory sanitizing all takes seven minutes.
FEWER := 400
FLAG_GOLDEN := $(FLAG_BUILDS:%=build/%/test_golden)
FLAG_ISA    := $(foreach cc,gcc clang,$(foreach set,O0 Ofast contract,\
    build/flags-$(cc)-$(set)/test_isa))

.PHONY: check-flags build-flags
build-flags: $(FLAG_GOLDEN) $(FLAG_ISA)
check-flags: ## The same bits from -O0 to -Ofast -march=native, contraction on or off, gcc and clang
	$(PARALLEL) build-flags
	@status=0; \
	$(PROVE) --exec tests/tap.sh $(FLAG_GOLDEN) || status=1; \
	$(PROVE) --exec tests/tap.sh $(FLAG_ISA) :: $(FEWER) || status=1; \
	exit $$status

# test_dispatch is about which instruction sets run, test_pool_min about the default that CUT_UP
# changes. clang alone builds what is built whole.
SAN_TESTS    := $(filter-out test_dispatch test_pool_min $(WHOLE),$(TESTS))
SAN_PROGRAMS := $(foreach build,gcc clang memory,$(SAN_TESTS:%=build/san-$(build)/%))
SAN_ISA      := build/san-clang/test_isa build/san-memory/test_isa

.PHONY: check-san build-san
build-san: $(SAN_PROGRAMS) $(SAN_ISA)
check-san: ## The tests under address, undefined and memory sanitizers
	$(PARALLEL) build-san
	@status=0; \
	$(PROVE) --exec tests/tap.sh $(SAN_PROGRAMS) || status=1; \
	$(PROVE) --exec tests/tap.sh $(SAN_ISA) :: $(FEWER) || status=1; \
	exit $$status

THREAD_PROGRAMS := build/san-thread/test_threads build/san-thread/06_threads_pthread
HELGRIND := valgrind -q --tool=helgrind --history-level=approx --error-exitcode=9 \
    --suppressions=tests/helgrind.supp

.PHONY: check-threads build-threads
build-threads: $(THREAD_PROGRAMS) build/clang/test_threads
check-threads: ## Threads under ThreadSanitizer and Valgrind's helgrind
	$(PARALLEL) build-threads
	@status=0; \
	prove --exec tests/tap.sh build/san-thread/test_threads :: 60 || status=1; \
	prove --exec 'tests/tap.sh --status' build/san-thread/06_threads_pthread || status=1; \
	prove --exec 'tests/tap.sh --needs valgrind $(HELGRIND)' build/clang/test_threads :: 5 || \
	    status=1; \
	exit $$status

.PHONY: lint
lint: ## ASCII, line widths, prefixes of every identifier, versions, ISA HOOK marks
	@prove --exec tests/tap.sh tests/lint.pl

# ---- Figures ------------------------------------------------------------------------------------

SIZE_OPTIONS := default NRM_NO_SIMD NRM_NO_AVX2 NRM_NO_AVX512 NRM_NO_F64 NRM_NO_HALF

.PHONY: size
size: ## Bytes of code and constants at -O2, for each option
	@mkdir -p build/size
	@printf '%-16s %10s %10s\n' option gcc clang
	@for option in $(SIZE_OPTIONS); do \
	    printf '%-16s' $$option; \
	    flag=-D$$option; [ $$option != default ] || flag=; \
	    for cc in gcc clang; do \
	        $$cc -std=c99 -O2 -DNORMALIZE_IMPLEMENTATION $$flag -x c -c normalize.h \
	            -o build/size/$$cc.o || exit 1; \
	        printf ' %10s' $$(size build/size/$$cc.o | awk 'NR == 2 {print $$1}'); \
	    done; \
	    echo; \
	done

build/bench/compare_onednn: bench/compare_onednn.c normalize.h Makefile
	@mkdir -p $(@D)
	$(CC) -std=c99 -O2 $(WARNINGS) -o $@ $< -ldnnl -lm

.PHONY: bench-onednn
bench-onednn: ## Times beside oneDNN (libdnnl-dev) and a plain copy; ROUNDS=15 ARGS="--isa avx2"
	@if echo '#include <oneapi/dnnl/dnnl.h>' | $(CC) -E - >/dev/null 2>&1; then \
	    $(MAKE) build/bench/compare_onednn && \
	    OMP_NUM_THREADS=1 build/bench/compare_onednn $(ARGS); \
	else \
	    echo "SKIP bench-onednn: no oneapi/dnnl/dnnl.h (Debian: libdnnl-dev)"; \
	    [ "$${STRICT:-0}" = 0 ]; \
	fi

.PHONY: clean
clean: ## Remove build/
	@rm -rf build
