# Tests

TEST_PROGRAMS := $(foreach build,gcc clang,$(TESTS:%=build/$(build)/%))
MPI_EXAMPLES  := $(patsubst %,build/examples/%,$(filter %_mpi,$(EXAMPLES)))
PNG_EXAMPLE   := build/examples/03_style
ONE_PROCESS   := $(patsubst %,build/examples/%,$(filter-out 03_style %_mpi,$(EXAMPLES)))
CORPUS        := fuzz/corpus fuzz/found

# INCLUDE=later leaves tests/include/run.sh to make check-include, which runs all of it.
.PHONY: test build-test
build-test: $(TEST_PROGRAMS) build/gcc/replay $(ONE_PROCESS) $(PNG_EXAMPLE) $(WHICH_NORM)
test: ## Build and run the tests (gcc and clang) and the examples
	$(call TAKES,4 minutes from nothing)
	$(PARALLEL) build-test
	@status=0; \
	$(PROVE) $(TEST_PROGRAMS) 'build/gcc/replay $(CORPUS)' $(ONE_PROCESS:%='status %') \
	    'needs deps:libpng-config status $(PNG_EXAMPLE) $(PNG_EXAMPLE).png' \
	    'status $(WHICH_NORM) --quick' || status=1; \
	[ '$(INCLUDE)' = later ] || JOBS=$(JOBS) $(PROVE) 'tests/include/run.sh quick' || status=1; \
	exit $$status

.PHONY: demo
demo: build/demo ## Right, the same bits, fast: shown here in ten seconds, by a C compiler alone
	@build/demo

# -O1 compiles in two thirds of the time of -O2; the kernels are as fast.
build/demo: examples/demo.c normalize.h
	@mkdir -p $(@D)
	@echo "$(CC) -O1 examples/demo.c: compiling the library takes about five seconds"
	@$(CC) -O1 $(WARNINGS) -o $@ $< -lm

.PHONY: check-mpi build-mpi
build-mpi: $(MPI_EXAMPLES)
check-mpi: NEEDS := deps-mpi:mpicc,mpirun
check-mpi: ## Batch norm across processes: the MPI example on 1 and 4 ranks
	$(PARALLEL) build-mpi
	@$(PROVE) $(foreach ranks,1 4,$(MPI_EXAMPLES:%='status mpirun -np $(ranks) %'))

.PHONY: check-include
check-include: ## gcc and clang x standards x -O0 -O3 x options; symbols, macros, pragmas, stack
	$(call TAKES,4 minutes)
	@JOBS=$(JOBS) $(PROVE) tests/include/run.sh

# Rows of tests/cross/matrix, held against hashes that build/gcc/test_random_hashes makes in scalar
# code.
.PHONY: check-flags check-cross
check-flags: build/gcc/test_random_hashes ## The same bits from -O0 to -Ofast -march=native
	$(call TAKES,3 minutes)
	@JOBS=$(JOBS) tests/cross/run.sh flags
check-cross: build/gcc/test_random_hashes ## ... other machines and compilers; ROWS="s390x clang-19"
	$(call TAKES,5 minutes for all rows)
	@JOBS=$(JOBS) tests/cross/run.sh $(or $(ROWS),machines compilers syntax)

build/gcc/exhaustive: tests/exhaustive.c build/gcc/normalize.o $(HEADERS)
	@echo "gcc -O2 $<"
	@gcc -std=gnu99 -O2 $(WARNINGS) -o $@ $< build/gcc/normalize.o -lm

.PHONY: exhaustive
exhaustive: build/gcc/exhaustive ## bf16, f16, SiLU: all 2^32 floats and pairs, each instruction set
	$(call TAKES,7 minutes on two cores)
	@$(PROVE) '$< silu' '$< bf16' '$< f16'

# test_same_bits draws FEWER of its random problems (2000 otherwise) under the sanitizers: the code
# they run is the same, and memory sanitizing all takes seven minutes.
FEWER := 400

# test_dispatch is about which instruction sets run, test_pool_min about the default that CUT_UP
# changes, test_stack about stack, of which sanitizers take more. clang alone
# runs test_same_bits and test_threads. Of the memory sanitizer test_streaming, test_overrun and
# test_threads, which look at other things, would take six minutes.
SAN_TESTS    := $(filter-out test_dispatch test_pool_min test_stack test_same_bits,$(TESTS))
SAN_GCC      := $(filter-out test_threads,$(SAN_TESTS))
SAN_MEMORY   := $(filter-out test_streaming test_overrun test_threads,$(SAN_TESTS))
SAN_PROGRAMS := $(SAN_GCC:%=build/san-gcc/%) $(SAN_TESTS:%=build/san-clang/%) \
    $(SAN_MEMORY:%=build/san-memory/%)
SAN_SAME     := build/san-clang/test_same_bits build/san-memory/test_same_bits
SAN_REPLAY   := build/san-gcc/replay build/san-clang/replay

# Whether clang has its sanitizers, which are a package of their own; $(1) is the flag.
has_sanitizer = mkdir -p build && echo 'int main(void) { return 0; }' | \
    clang -fsanitize=$(1) -x c - -o build/probe-$(1) 2>/dev/null || \
    { echo "$@: clang has no -fsanitize=$(1) here (make deps-check)"; exit 1; }

.PHONY: check-san build-san
build-san: $(SAN_PROGRAMS) $(SAN_SAME) $(SAN_REPLAY)
check-san: ## The tests under address, undefined and memory sanitizers
	@$(call has_sanitizer,address)
	$(call TAKES,6 minutes)
	$(PARALLEL) build-san
	@$(PROVE) $(SAN_SAME:%='% $(FEWER)') $(SAN_PROGRAMS) $(SAN_REPLAY:%='% $(CORPUS)')

THREAD_PROGRAMS := build/san-thread/test_threads build/san-thread/06_threads_pthread
HELGRIND := valgrind -q --tool=helgrind --history-level=approx --error-exitcode=9 \
    --suppressions=tests/helgrind.supp

.PHONY: check-threads build-threads
build-threads: $(THREAD_PROGRAMS) build/clang/test_threads
check-threads: ## Threads under ThreadSanitizer and Valgrind's helgrind
	@$(call has_sanitizer,thread)
	$(call TAKES,a minute)
	$(PARALLEL) build-threads
	@$(PROVE) 'needs deps-check:valgrind $(HELGRIND) build/clang/test_threads 5' \
	    'build/san-thread/test_threads 60' 'status build/san-thread/06_threads_pthread'

.PHONY: lint
lint: ## ASCII, line widths, prefixes of every identifier, versions, ISA HOOK marks
	$(call TAKES,10 seconds)
	@$(PROVE) tools/lint.pl
