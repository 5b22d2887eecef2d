# What the tests reach and notice, and what tools say that read or watch the code

# test_offsets is about addresses alone, and takes minutes where every step is counted; counters
# take stack of their own.
COVER_TESTS    := $(filter-out test_offsets test_stack,$(TESTS))
COVER_PROGRAMS := $(COVER_TESTS:%=build/coverage/%)
COVER_RUNS     := $(COVER_PROGRAMS:%/test_same_bits='%/test_same_bits $(FEWER)')
COVER_COPIES   := build/coverage/normalize.o build/coverage/inside.o

.PHONY: coverage build-coverage
build-coverage: $(COVER_PROGRAMS)
coverage: NEEDS := deps-check:clang,llvm-profdata,llvm-cov
coverage: export LLVM_PROFILE_FILE = build/coverage/raw/%p.profraw
coverage: ## Lines and branches of normalize.h that the tests reach; the rest is listed
	$(call TAKES,3 minutes)
	@rm -rf build/coverage/raw
	@if command -v clang >/dev/null; then $(MAKE) -j$(JOBS) build-coverage; fi
	@status=0; \
	$(PROVE) $(COVER_RUNS) || status=1; \
	$(PROVE) 'tools/coverage.pl build/coverage $(COVER_COPIES)' || status=1; \
	exit $$status

.PHONY: mutants
mutants: NEEDS := deps-check:clang
mutants: ## Do the tests notice small changes of normalize.h? MUTANTS=300 SEED=1 ONLY=text
	$(call TAKES,a minute for four mutants)
	@MUTANTS=$(or $(MUTANTS),300) SEED=$(or $(SEED),1) ONLY='$(ONLY)' JOBS=$(JOBS) \
	    $(PROVE) tools/mutants.pl

# Valgrind 3.19 has no AVX-512. It counts in 64 bits where the oracle of ref.h wants 80, and has
# neither rounding modes nor flags: tests of these are left out, and test_overrun, which lives on
# faults. ALL=1 takes all the others. Memory that something points to at the end is not lost.
# test_errors takes as long as all the rest.
MEMCHECK       := valgrind -q --error-exitcode=9 --leak-check=full
MEMCHECK_TESTS := test_errors $(if $(ALL),test_half test_streaming test_pool_min) \
    test_golden_hashes test_random_hashes test_manual test_other_calls

.PHONY: memcheck build-memcheck
build-memcheck: $(MEMCHECK_TESTS:%=build/clang/%)
memcheck: ## Valgrind's memcheck over tests in scalar code and AVX2; ALL=1 for every test it can run
	$(call TAKES,2 minutes)
	$(PARALLEL) build-memcheck
	@prove --timer -j$(JOBS) --exec 'tools/tap.sh --needs deps-check:valgrind $(MEMCHECK)' \
	    $(MEMCHECK_TESTS:%=build/clang/%)

.PHONY: analyze
analyze: ## clang-tidy, cppcheck and gcc -fanalyzer on the header, the tests and the examples
	$(call TAKES,3 minutes)
	@JOBS=$(JOBS) $(PROVE) tools/analyze.sh

# What each proof takes, and on what it rests, is in the table that this prints.
.PHONY: prove
prove: NEEDS := deps-prove:coqc,coqdep
prove: ## The proofs of the bounds, by Coq: constants, theorems, what they assume
	$(call TAKES,half a minute)
	@$(PROVE) tools/prove.pl
