# What the tests reach and notice, and what tools say that read or watch the code

# test_offsets is about addresses alone, and takes minutes where every step is counted; counters
# take stack of their own.
COVER_TESTS    := $(filter-out test_same_bits test_offsets test_stack,$(TESTS))
COVER_PROGRAMS := $(COVER_TESTS:%=build/coverage/%)
COVER_WHOLE    := build/coverage/test_same_bits
COVER_COPIES   := $(addprefix build/coverage/,normalize.o $(call whole,coverage,$(COVER)))
COVER_NEEDS    := needs deps-check:clang,llvm-profdata,llvm-cov

.PHONY: coverage build-coverage
build-coverage: $(COVER_PROGRAMS) $(COVER_WHOLE)
coverage: export LLVM_PROFILE_FILE = build/coverage/raw/%p.profraw
coverage: ## Lines and branches of normalize.h that the tests reach; the rest is listed
	@rm -rf build/coverage/raw
	@if command -v clang >/dev/null; then $(MAKE) -j$(JOBS) build-coverage; fi
	@status=0; \
	$(PROVE) '$(COVER_NEEDS) $(COVER_WHOLE) $(FEWER)' $(COVER_PROGRAMS:%='$(COVER_NEEDS) %') || \
	    status=1; \
	$(PROVE) '$(COVER_NEEDS) tools/coverage.pl build/coverage $(COVER_COPIES)' || status=1; \
	exit $$status

.PHONY: mutants
mutants: ## Do the tests notice small changes of normalize.h? MUTANTS=300 SEED=1 ONLY=text
	@MUTANTS=$(or $(MUTANTS),300) SEED=$(or $(SEED),1) ONLY='$(ONLY)' JOBS=$(JOBS) \
	    $(PROVE) 'needs deps-check:clang tools/mutants.pl'

# Valgrind 3.19 has no AVX-512. It counts in 64 bits where the oracle of ref.h wants 80, and has
# neither rounding modes nor flags: tests of these are left out, and test_overrun, which lives on
# faults. ALL=1 takes all the others. Memory that something points to at the end is not lost.
MEMCHECK       := needs deps-check:valgrind valgrind -q --error-exitcode=9 --leak-check=full
MEMCHECK_TESTS := $(if $(ALL),test_half test_streaming test_pool_min) test_golden_hashes \
    test_random_hashes test_manual test_errors test_other_calls

.PHONY: memcheck build-memcheck
build-memcheck: $(MEMCHECK_TESTS:%=build/clang/%)
memcheck: ## Valgrind's memcheck over tests in scalar code and AVX2; ALL=1 for every test it can run
	$(PARALLEL) build-memcheck
	@$(PROVE) $(MEMCHECK_TESTS:%='$(MEMCHECK) build/clang/%')

.PHONY: analyze
analyze: ## clang-tidy, cppcheck and gcc -fanalyzer on the header, the tests and the examples
	@JOBS=$(JOBS) $(PROVE) tools/analyze.sh
