# normalize.h needs no build. This file builds and runs what is around it: `make` lists the targets.

MAKEFLAGS += --no-print-directory
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PARALLEL = +@$(MAKE) -j$(JOBS)
PROVE = prove --timer -j$(JOBS)

TESTS    := $(patsubst tests/%.c,%,$(wildcard tests/test_*.c))
EXAMPLES := $(patsubst examples/%.c,%,$(wildcard examples/*.c))
HEADERS  := $(wildcard tests/*.h fuzz/*.h)
WARNINGS := -Wall -Wextra

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- Builds -------------------------------------------------------------------------------------
#
# A build is a directory under build/ that holds the tests as one compiler with one set of flags
# makes them. The tables below have them: NAME, compiler, flags. Other compilers, flags and machines
# are in tests/cross/matrix.
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

build/$(1)/replay build/$(1)/search: build/$(1)/%: fuzz/%.c build/$(1)/normalize.o $(HEADERS)
	@echo "$(2) $(3) $$<"
	@$(2) -std=gnu99 $(WARNINGS) $(3) -pthread -DNRMI_IMPLEMENTED -o $$@ $$< \
	    build/$(1)/normalize.o -lm
endef

# make test; Valgrind 3.19 reads clang's line tables as DWARF 4 only
$(eval $(call build,gcc,gcc,-O2))
$(eval $(call build,clang,clang,-O2 -gdwarf-4 -gline-tables-only))

# What is fuzzed is cut up among threads however small.
$(eval $(call build,cut,gcc,-O2 $(CUT_UP)))

# make check-san, check-threads. Line tables alone and, for gcc, without the address sanitizer: it
# takes gcc 100 s of compiling where clang takes 39 s, and both look for the same. The memory
# sanitizer's tests run in 0.6 of the time with -O2, which takes 20 s longer to compile.
SAN := -O1 -g1 -fno-omit-frame-pointer -fno-sanitize-recover=all $(CUT_UP)
$(eval $(call build,san-gcc,gcc,$(SAN) -fsanitize=undefined))
$(eval $(call build,san-clang,clang,$(SAN) -fsanitize=address$(comma)undefined))
$(eval $(call build,san-memory,clang,$(SAN) -O2 -fsanitize=memory))
$(eval $(call build,san-thread,clang,$(SAN) -fsanitize=thread))

# Linked, to save time, but otherwise as their comments say. `make demo` builds demo whole.
build/examples/06_threads_pthread: EXAMPLE_FLAGS := -pthread
build/examples/07_threads_openmp: EXAMPLE_FLAGS := -fopenmp

build/examples/%: examples/%.c build/gcc/normalize.o Makefile
	@mkdir -p $(@D)
	@echo "gcc -O2 $(EXAMPLE_FLAGS) $<"
	@gcc -O2 $(EXAMPLE_FLAGS) $(WARNINGS) -DNRMI_IMPLEMENTED -o $@ $< build/gcc/normalize.o -lm

# Without libpng there is no program, and running it is skipped.
build/examples/03_style: examples/03_style.c build/gcc/normalize.o Makefile
	@mkdir -p $(@D)
	@if ! command -v libpng-config >/dev/null; then rm -f $@; exit 0; fi; \
	echo "gcc -O2 $<"; \
	gcc -O2 $(WARNINGS) -DNRMI_IMPLEMENTED $$(libpng-config --cflags) -o $@ $< \
	    build/gcc/normalize.o $$(libpng-config --ldflags) -lm

# Without MPI there is none either.
build/examples/%_mpi: examples/%_mpi.c build/gcc/normalize.o Makefile
	@mkdir -p $(@D)
	@if ! command -v mpicc >/dev/null; then rm -f $@; exit 0; fi; \
	echo "mpicc -O2 $<"; \
	mpicc -O2 $(WARNINGS) -DNRMI_IMPLEMENTED -o $@ $< build/gcc/normalize.o -lm

# Products are not fused: then its figures are the same wherever expf and tanhf are.
WHICH_NORM := build/examples/which_norm/which_norm
$(WHICH_NORM): $(wildcard examples/which_norm/*.[ch]) build/gcc/normalize.o Makefile
	@mkdir -p $(@D)
	@echo "gcc -O3 examples/which_norm/which_norm.c"
	@gcc -O3 -ffp-contract=off $(WARNINGS) -DNRMI_IMPLEMENTED -o $@ \
	    examples/which_norm/which_norm.c build/gcc/normalize.o -lm

build/san-thread/06_threads_pthread: examples/06_threads_pthread.c build/san-thread/normalize.o
	@echo "clang -fsanitize=thread $<"
	@clang $(SAN) -fsanitize=thread -pthread -DNRMI_IMPLEMENTED -o $@ $^ -lm

# ---- Packages -----------------------------------------------------------------------------------

# libc6-dev comes with gcc and clang, OpenMP with gcc, objdump and nm with binutils, prove with
# perl. The sanitizers of clang are a package of their own. Of the MPIs, mpirun of mpich starts more
# ranks than there are processors, and as root, without being told so. An example reads pictures.
PACKAGES := make gcc g++ clang libclang-rt-dev binutils perl valgrind mpich libmpich-dev libpng-dev

# Of tests/cross/matrix: other compilers; compilers of other machines, their C libraries (which the
# compilers only recommend) and the emulator; WASM, with clang's builtins, and node; Windows.
PACKAGES += gcc-11 gcc-12 clang-14 clang-16 clang-19 lld lld-16 musl-tools tcc
PACKAGES += gcc-aarch64-linux-gnu gcc-arm-linux-gnueabihf gcc-riscv64-linux-gnu \
    gcc-s390x-linux-gnu gcc-powerpc64le-linux-gnu gcc-i686-linux-gnu libc6-dev-arm64-cross \
    libc6-dev-armhf-cross libc6-dev-riscv64-cross libc6-dev-s390x-cross libc6-dev-ppc64el-cross \
    libc6-dev-i386-cross qemu-user
PACKAGES += wasi-libc libclang-rt-14-dev-wasm32 libclang-rt-16-dev-wasm32 nodejs
PACKAGES += gcc-mingw-w64-x86-64-posix wine64

# Fuzzing: libFuzzer comes with clang's sanitizers.
PACKAGES += libclang-rt-14-dev afl++

# The benchmark and its charts. What it is compared with is taken if it is there: libdnnl-dev and
# libtorch-dev, which is large.
PACKAGES += libbenchmark-dev gnuplot-nox

# Analysis, and coverage: llvm has llvm-cov, libomp-dev clang's <omp.h>.
PACKAGES += clang-tidy cppcheck libomp-dev llvm

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
PNG_EXAMPLE   := build/examples/03_style
ONE_PROCESS   := $(patsubst %,build/examples/%,$(filter-out 03_style %_mpi,$(EXAMPLES)))
CORPUS        := fuzz/corpus fuzz/found
MPI_RUN       := tests/tap.sh --needs mpicc,mpirun --status mpirun -np

.PHONY: test build-test
build-test: $(TEST_PROGRAMS) build/cut/replay $(ONE_PROCESS) $(PNG_EXAMPLE) $(MPI_EXAMPLES) \
    $(WHICH_NORM)
test: ## Build and run the tests (gcc and clang) and the examples
	$(PARALLEL) build-test
	@status=0; \
	$(PROVE) --exec tests/tap.sh $(TEST_PROGRAMS) || status=1; \
	prove --exec tests/tap.sh build/cut/replay :: $(CORPUS) || status=1; \
	$(PROVE) --exec 'tests/tap.sh --status' $(ONE_PROCESS) || status=1; \
	prove --exec 'tests/tap.sh --needs libpng-config --status' $(PNG_EXAMPLE) :: \
	    $(PNG_EXAMPLE).png || status=1; \
	prove --exec 'tests/tap.sh --status' $(WHICH_NORM) :: --quick || status=1; \
	for ranks in 1 4; do prove --exec "$(MPI_RUN) $$ranks" $(MPI_EXAMPLES) || status=1; done; \
	JOBS=$(JOBS) prove --exec tests/tap.sh tests/include/run.sh :: quick || status=1; \
	exit $$status

.PHONY: demo
demo: build/demo ## Right, the same bits, fast: shown here in ten seconds, by a C compiler alone
	@build/demo

# -O1 compiles in two thirds of the time of -O2; the kernels are as fast.
build/demo: examples/demo.c normalize.h
	@mkdir -p $(@D)
	@echo "$(CC) -O1 examples/demo.c: compiling the library takes about five seconds"
	@$(CC) -O1 $(WARNINGS) -o $@ $< -lm

.PHONY: check-include
check-include: ## gcc and clang x standards x -O0 -O3 x options; symbols, macros, pragmas, stack
	@JOBS=$(JOBS) prove --exec tests/tap.sh tests/include/run.sh

# Rows of tests/cross/matrix, held against hashes that build/gcc/test_same makes in scalar code.
.PHONY: check-flags check-cross
check-flags: build/gcc/test_same ## The same bits from -O0 to -Ofast -march=native, gcc and clang
	@JOBS=$(JOBS) tests/cross/run.sh flags
check-cross: build/gcc/test_same ## ... on other machines and compilers; ROWS="s390x clang-19"
	@JOBS=$(JOBS) tests/cross/run.sh $(or $(ROWS),machines compilers syntax)

# test_isa draws FEWER of its random problems (2000 otherwise) under the sanitizers: the code they
# run is the same, and memory sanitizing all takes seven minutes.
FEWER := 400

# test_dispatch is about which instruction sets run, test_pool_min about the default that CUT_UP
# changes, test_stack about stack, of which sanitizers take more. clang alone builds what is built
# whole, and looks at test_threads. Of the memory sanitizer test_large, test_overrun and
# test_threads, which look at other things, would take six minutes.
SAN_TESTS    := $(filter-out test_dispatch test_pool_min test_stack $(WHOLE),$(TESTS))
SAN_GCC      := $(filter-out test_threads,$(SAN_TESTS))
SAN_MEMORY   := $(filter-out test_large test_overrun test_threads,$(SAN_TESTS))
SAN_PROGRAMS := $(SAN_GCC:%=build/san-gcc/%) $(SAN_TESTS:%=build/san-clang/%) \
    $(SAN_MEMORY:%=build/san-memory/%)
SAN_ISA      := build/san-clang/test_isa build/san-memory/test_isa

SAN_REPLAY   := build/san-gcc/replay build/san-clang/replay

.PHONY: check-san build-san
build-san: $(SAN_PROGRAMS) $(SAN_ISA) $(SAN_REPLAY)
check-san: ## The tests under address, undefined and memory sanitizers
	$(PARALLEL) build-san
	@status=0; \
	$(PROVE) --exec tests/tap.sh $(SAN_PROGRAMS) || status=1; \
	$(PROVE) --exec tests/tap.sh $(SAN_ISA) :: $(FEWER) || status=1; \
	$(PROVE) --exec tests/tap.sh $(SAN_REPLAY) :: $(CORPUS) || status=1; \
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

# ---- Fuzzing ------------------------------------------------------------------------------------
#
# fuzz/run.sh says SKIP, or with STRICT=1 fails, where an engine is missing. The header is compiled
# with its sanitizers and counters once, which takes clang two minutes; what is around it is not
# instrumented. Of the kernels, which are one text for every instruction set, one set is counted.

SECONDS      ?= 60
SEED         ?= 1
FUZZ_TARGETS := problems calls halves
FUZZ_SAN     := -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZ_COUNT   := -fno-sanitize-coverage=trace-cmp -fsanitize-coverage-ignorelist=fuzz/one_isa.txt

build/fuzz/normalize.o: normalize.h fuzz/one_isa.txt Makefile
	@mkdir -p $(@D)
	@echo "clang $(FUZZ_SAN) normalize.h"
	@clang -std=gnu99 -O1 -g1 -fno-omit-frame-pointer $(FUZZ_SAN:fuzzer%=fuzzer-no-link%) \
	    $(FUZZ_COUNT) $(CUT_UP) -DNORMALIZE_IMPLEMENTATION -o $@ -x c -c normalize.h
build/fuzz/%: fuzz/fuzz.c build/fuzz/normalize.o $(HEADERS)
	@clang -std=gnu99 -O2 -g1 $(WARNINGS) $(CUT_UP) -DNRMI_IMPLEMENTED -DBED_ASAN \
	    -DTARGET='"$*"' -o $@.o -c $<
	@clang $(FUZZ_SAN) -pthread -o $@ $@.o build/fuzz/normalize.o -lm

build/afl/normalize.o: normalize.h Makefile
	@mkdir -p $(@D)
	@echo "afl-clang-fast normalize.h"
	@AFL_QUIET=1 afl-clang-fast -std=gnu99 -O2 $(CUT_UP) -DNORMALIZE_IMPLEMENTATION -o $@ \
	    -x c -c normalize.h
build/afl/%: fuzz/fuzz.c build/afl/normalize.o $(HEADERS)
	@AFL_QUIET=1 afl-clang-fast -std=gnu99 -O2 $(WARNINGS) $(CUT_UP) -DNRMI_IMPLEMENTED \
	    -DTARGET='"$*"' -fsanitize=fuzzer -pthread -o $@ $< build/afl/normalize.o -lm

.PHONY: fuzz fuzz-afl fuzz-corpus build-fuzz build-afl
build-fuzz: $(FUZZ_TARGETS:%=build/fuzz/%)
build-afl: $(FUZZ_TARGETS:%=build/afl/%)
fuzz: ## Fuzz with libFuzzer and sanitizers: SECONDS=60 FUZZ_SEED=0 (each time others)
	@SEED=$(or $(FUZZ_SEED),0) \
	    prove -v --exec tests/tap.sh fuzz/run.sh :: libfuzzer $(SECONDS) $(FUZZ_TARGETS)
fuzz-afl: ## ... with AFL++
	@prove -v --exec tests/tap.sh fuzz/run.sh :: afl $(SECONDS) $(FUZZ_TARGETS)
fuzz-corpus: ## Put what both have found into fuzz/corpus, minimised
	@fuzz/run.sh merge $(FUZZ_TARGETS)

.PHONY: replay search
replay: build/cut/replay ## Run fuzz/corpus and fuzz/found through the fuzz targets
	@prove --exec tests/tap.sh build/cut/replay :: $(CORPUS)
search: build/cut/search ## Look for the largest error in units of the bound: SECONDS=60 SEED=1
	@mkdir -p build/worst
	@build/cut/search --seconds $(SECONDS) --seed $(SEED) --keep build/worst

# ---- Proof --------------------------------------------------------------------------------------
#
# What the tests notice and reach, and what tools say that read or watch the code. clang counts what
# is reached: it numbers conditions before it compiles for any instruction set, and tells the copies
# of a text that includes itself apart. With -O1 for the loops that are written out only then.

COVER := -O1 -fprofile-instr-generate -fcoverage-mapping
$(eval $(call build,coverage,clang,$(COVER)))

# test_big is about addresses alone, and takes minutes where every step is counted; counters take
# stack of their own.
COVER_TESTS    := $(filter-out test_isa test_big test_stack,$(TESTS))
COVER_PROGRAMS := $(COVER_TESTS:%=build/coverage/%)
COVER_ISA      := build/coverage/test_isa
COVER_COPIES   := $(addprefix build/coverage/,normalize.o $(call whole,coverage,$(COVER)))
COVER_TOOLS    := --needs clang,llvm-profdata,llvm-cov

.PHONY: coverage build-coverage
build-coverage: $(COVER_PROGRAMS) $(COVER_ISA)
coverage: export LLVM_PROFILE_FILE = build/coverage/raw/%p.profraw
coverage: ## Lines and branches of normalize.h that the tests reach; the rest is listed
	@rm -rf build/coverage/raw
	@if command -v clang >/dev/null; then $(MAKE) -j$(JOBS) build-coverage; fi
	@status=0; \
	$(PROVE) --exec 'tests/tap.sh $(COVER_TOOLS)' $(COVER_PROGRAMS) || status=1; \
	prove --exec 'tests/tap.sh $(COVER_TOOLS)' $(COVER_ISA) :: $(FEWER) || status=1; \
	prove --exec 'tests/tap.sh $(COVER_TOOLS)' tests/coverage.pl :: build/coverage \
	    $(COVER_COPIES) || status=1; \
	exit $$status

.PHONY: mutants
mutants: ## Do the tests notice small changes of normalize.h? MUTANTS=300 SEED=1 ONLY=text
	@MUTANTS=$(or $(MUTANTS),300) SEED=$(or $(SEED),1) ONLY='$(ONLY)' JOBS=$(JOBS) \
	    prove --exec 'tests/tap.sh --needs clang' tests/mutants.pl

# Valgrind 3.19 has no AVX-512. It counts in 64 bits where the oracle of ref.h wants 80, and has
# neither rounding modes nor flags: tests of these are left out, and test_overrun, which lives on
# faults. ALL=1 takes all the others. Memory that something points to at the end is not lost.
MEMCHECK       := valgrind -q --error-exitcode=9 --leak-check=full
MEMCHECK_TESTS := $(if $(ALL),test_half test_large test_pool_min) test_golden test_pieces \
    test_same test_errors test_parts

.PHONY: memcheck build-memcheck
build-memcheck: $(MEMCHECK_TESTS:%=build/clang/%)
memcheck: ## Valgrind's memcheck over tests in scalar code and AVX2; ALL=1 for every test it can run
	$(PARALLEL) build-memcheck
	@$(PROVE) --exec 'tests/tap.sh --needs valgrind $(MEMCHECK)' $(MEMCHECK_TESTS:%=build/clang/%)

.PHONY: analyze
analyze: ## clang-tidy, cppcheck and gcc -fanalyzer on the header, the tests and the examples
	@JOBS=$(JOBS) prove --exec tests/tap.sh tests/analyze.sh

# ---- Installing, and other builds ----------------------------------------------------------------
#
# The header and a file for pkg-config. CMakeLists.txt, meson.build and clib.json serve those who
# build with them; tests/packages/run.sh uses each as a program outside of this tree would.

PREFIX       ?= /usr/local
INCLUDEDIR   ?= $(PREFIX)/include
PKGCONFIGDIR ?= $(PREFIX)/share/pkgconfig
VERSION       = $(shell sed -n 's/^#define NRM_VERSION_[A-Z]* \([0-9]*\)$$/\1/p' normalize.h | \
    paste -sd. -)

.PHONY: install uninstall
install: ## normalize.h and normalize.pc; DESTDIR= PREFIX=/usr/local INCLUDEDIR=$PREFIX/include
	install -d $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(PKGCONFIGDIR)
	install -m 644 normalize.h $(DESTDIR)$(INCLUDEDIR)/normalize.h
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' \
	    -e 's|@INCLUDEDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))|' \
	    packaging/normalize.pc.in > $(DESTDIR)$(PKGCONFIGDIR)/normalize.pc
	chmod 644 $(DESTDIR)$(PKGCONFIGDIR)/normalize.pc
uninstall: ## Remove both again, with the same variables
	rm -f $(DESTDIR)$(INCLUDEDIR)/normalize.h $(DESTDIR)$(PKGCONFIGDIR)/normalize.pc

build/libnormalize.so: packaging/normalize.c normalize.h
	@mkdir -p $(@D)
	$(CC) -std=c99 -O2 -fPIC -fvisibility=hidden -DNORMALIZE_SHARED -shared -o $@ $< -lm

.PHONY: shared check-packages
shared: build/libnormalize.so ## build/libnormalize.so, as examples/python loads it

PACKAGES += cmake meson ninja-build pkg-config python3 python3-numpy

check-packages: build/libnormalize.so ## Programs that use each package; the Python example
	@prove --exec tests/tap.sh tests/packages/run.sh

.PHONY: check-readme
check-readme: ## Every command of README.md, in a copy of the tree
	@prove --exec tests/tap.sh tests/readme.sh

# ---- Figures ------------------------------------------------------------------------------------

.PHONY: size
size: ## Bytes, seconds and MB of compiling, gcc and clang; largest functions; lines; BUDGET=1 fails
	@perl bench/size.pl $(if $(filter-out 0,$(BUDGET)),--budget) $(if $(BUILDS),'$(BUILDS)')

# ---- Instructions -------------------------------------------------------------------------------

build/bench/instructions: bench/instructions.c normalize.h
	@mkdir -p $(@D)
	gcc -std=gnu99 -O2 $(WARNINGS) -o $@ $< -lm

.PHONY: instructions instructions-write
instructions: build/bench/instructions ## Instruction counts by callgrind; 1% above the table fails
	@prove --exec tests/tap.sh bench/instructions.sh :: $<
instructions-write: build/bench/instructions ## Write that table, bench/instructions.txt
	@bench/instructions.sh $< --write

.PHONY: check-simd
check-simd: ## NEON (instructions, qemu) and WASM (time, node) at least twice as fast as scalar
	@prove --exec tests/tap.sh bench/simd.sh

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
	@if echo '#include <benchmark/benchmark.h>' | $(BENCH_CXX) -x c++ -E - >/dev/null 2>&1; then \
	    $(MAKE) -j$(JOBS) build/bench/bench; \
	else \
	    echo "no benchmark/benchmark.h (Debian: libbenchmark-dev; make deps)"; exit 1; \
	fi
bench: bench-build ## NCHW and NHWC, limits of memory, plain loops: four minutes; BENCH_ARGS=...
	@$(BENCH_RUN) $(BENCH_ARGS)
	@perl bench/table.pl $(BENCH_JSON)
bench-all: bench-build ## The same for every shape, one thing varied at a time: most of an hour
	@$(BENCH_RUN) --all $(BENCH_ARGS)
	@perl bench/table.pl $(BENCH_JSON)

.PHONY: report bench-diff
report: ## bench/RESULTS.md and its charts, from build/bench/bench.json and peers.txt (gnuplot)
	@command -v gnuplot >/dev/null || { echo "no gnuplot (Debian: gnuplot-nox; make deps)"; exit 1; }
	@[ -f $(BENCH_JSON) ] || { echo "no $(BENCH_JSON): make bench"; exit 1; }
	@perl bench/report.pl $(BENCH_JSON) build/bench/peers.txt
bench-diff: ## What changed beyond the noise; BASE=old.json NEW=new.json DIFF_ARGS=--fail
	@[ -n "$(BASE)" ] || { echo "bench-diff: BASE=old.json [NEW=$(BENCH_JSON)]"; exit 1; }
	@perl bench/diff.pl $(DIFF_ARGS) $(BASE) $(or $(NEW),$(BENCH_JSON))

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

hash      := \#
has_header = $(shell echo '$(hash)include <$(1)>' | \
    $(CXX) $(2) -x c++ -M - >/dev/null 2>&1 && echo yes)
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
build/bench/peers: bench/peers.c bench/peers.h bench/move.h bench/pool.h $(PEERS_OBJECTS)
	$(CC) -std=gnu99 -O2 $(WARNINGS) -pthread -rdynamic -o $@ $< $(PEERS_OBJECTS) -ldl -lm

.PHONY: FORCE bench-peers
FORCE:
bench-peers: ## Beside oneDNN and PyTorch, in turn: a minute; ROUNDS=15 DNNL_DIR= ARGS='--threads 2'
	@rm -f $(patsubst %,build/bench/peer_%.so,$(filter-out $(HAS_PEERS),onednn torch))
	@$(MAKE) build/bench/peers $(patsubst %,build/bench/peer_%.so,$(HAS_PEERS))
	@ROUNDS=$(ROUNDS) build/bench/peers $(ARGS)

# ---- Accuracy -----------------------------------------------------------------------------------
#
# With the peers of above. The textbook's loops are compiled as they are written: nothing is fused.

build/bench/accuracy: bench/accuracy.c bench/textbook.h bench/peers.h tests/gen.h tests/ref.h \
    tests/test.h tests/types.h build/bench/normalize.o build/bench/load.o
	$(CC) -std=gnu99 -O2 -ffp-contract=off $(WARNINGS) -rdynamic -o $@ $< \
	    build/bench/normalize.o build/bench/load.o -ldl -lm

.PHONY: accuracy
accuracy: ## Worst errors of ours (above the bound: fails), oneDNN, PyTorch: docs/ACCURACY.md
	@rm -f $(patsubst %,build/bench/peer_%.so,$(filter-out $(HAS_PEERS),onednn torch))
	@$(MAKE) build/bench/accuracy $(patsubst %,build/bench/peer_%.so,$(HAS_PEERS))
	@status=0; \
	build/bench/accuracy $(ARGS) || status=1; \
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

.PHONY: clean
clean: ## Remove build/
	@rm -rf build
