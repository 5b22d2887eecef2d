# Fuzzing

# fuzz/run.sh says SKIP, or with STRICT=1 fails, where an engine is missing. The header is compiled
# with its sanitizers and counters once; what is around it is not instrumented. Of the kernels,
# which are one text for every instruction set, one set is counted.

SECONDS      ?= 60
SEED         ?= 1
FUZZ_TARGETS := problems calls halves
FUZZ_SAN     := -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
FUZZ_COUNT   := -fno-sanitize-coverage=trace-cmp -fsanitize-coverage-ignorelist=fuzz/one_isa.txt

build/fuzz/normalize.o: normalize.h fuzz/one_isa.txt make/fuzz.mk
	@mkdir -p $(@D)
	@echo "clang $(FUZZ_SAN) normalize.h (26 s)"
	@clang -std=gnu99 -O1 -g1 -fno-omit-frame-pointer $(FUZZ_SAN:fuzzer%=fuzzer-no-link%) \
	    $(FUZZ_COUNT) $(CUT_UP) $(NOT_RUN) -DNORMALIZE_IMPLEMENTATION -o $@ -x c -c normalize.h
build/fuzz/%: fuzz/fuzz.c build/fuzz/normalize.o $(HEADERS)
	@clang -std=gnu99 -O2 -g1 $(WARNINGS) $(CUT_UP) -DBED_ASAN -DTARGET='"$*"' -o $@.o -c $<
	@clang $(FUZZ_SAN) -pthread -o $@ $@.o build/fuzz/normalize.o -lm

build/afl/normalize.o: normalize.h make/fuzz.mk
	@mkdir -p $(@D)
	@echo "afl-clang-fast normalize.h (13 s)"
	@AFL_QUIET=1 afl-clang-fast -std=gnu99 -O2 $(CUT_UP) -DNORMALIZE_IMPLEMENTATION -o $@ \
	    -x c -c normalize.h
build/afl/%: fuzz/fuzz.c build/afl/normalize.o $(HEADERS)
	@AFL_QUIET=1 afl-clang-fast -std=gnu99 -O2 $(WARNINGS) $(CUT_UP) -DTARGET='"$*"' \
	    -fsanitize=fuzzer -pthread -o $@ $< build/afl/normalize.o -lm

.PHONY: fuzz fuzz-afl fuzz-corpus build-fuzz build-afl
build-fuzz: $(FUZZ_TARGETS:%=build/fuzz/%)
build-afl: $(FUZZ_TARGETS:%=build/afl/%)
fuzz: ## Fuzz with libFuzzer and sanitizers: SECONDS=60 FUZZ_SEED=0 (each time others)
	@SEED=$(or $(FUZZ_SEED),0) JOBS=$(JOBS) \
	    prove -v --exec tools/tap.sh fuzz/run.sh :: libfuzzer $(SECONDS) $(FUZZ_TARGETS)
fuzz-afl: ## ... with AFL++
	@JOBS=$(JOBS) prove -v --exec tools/tap.sh fuzz/run.sh :: afl $(SECONDS) $(FUZZ_TARGETS)
fuzz-corpus: ## Put what both have found into fuzz/corpus, minimised
	@fuzz/run.sh merge $(FUZZ_TARGETS)

.PHONY: replay search
replay: build/gcc/replay ## Run fuzz/corpus and fuzz/found through the fuzz targets
	@$(PROVE) 'build/gcc/replay $(CORPUS)'
search: build/gcc/search build/gcc/adversary ## Look for the largest errors: SECONDS=60 SEED=1
	@mkdir -p build/worst
	@echo "inputs drawn and improved: $(SECONDS) seconds"
	@build/gcc/search --seconds $(SECONDS) --seed $(SEED) --keep build/worst
	@echo "inputs built against the sums: 8 seconds for their patterns, then $(SECONDS)"
	@build/gcc/adversary --seconds $(SECONDS) --seed $(SEED) --keep build/worst

# ---- Functions of others ------------------------------------------------------------------------
#
# The judge and the draws, which know nothing of the library, compiled once; fuzz/yours.sh adds the
# function.

YOURS_DRIVERS := $(foreach engine,loop libfuzzer,build/yours/$(engine).o \
    build/yours/$(engine)-address.o)
$(YOURS_DRIVERS): fuzz/yours.c $(HEADERS) normalize.h
	@mkdir -p $(@D)
	@echo "$(if $(findstring libfuzzer,$@),clang,$(CC)) -O2 $< (4 s)"
	@$(if $(findstring libfuzzer,$@),clang -DYOURS_LIBFUZZER,$(CC)) -std=gnu99 -O2 $(WARNINGS) \
	    $(if $(findstring address,$@),-DBED_ASAN) -pthread -o $@ -c $<

.PHONY: fuzz-yours
fuzz-yours: ## Fuzz a norm of your own: YOURS=mine.c SECONDS=60 YOURS_FLAGS= LIMIT=1 SEED=1
	@YOURS_FLAGS='$(YOURS_FLAGS)' LIMIT='$(or $(LIMIT),1)' SEED=$(SEED) \
	    fuzz/yours.sh '$(YOURS)' $(SECONDS)

.PHONY: check-yours
check-yours: ## fuzz-yours on functions that are right and wrong; OSS-Fuzz's build script
	$(call TAKES,half a minute)
	@$(MAKE) -s build/yours/loop.o build/gcc/inside.o
	@$(PROVE) fuzz/oss_fuzz_test.sh fuzz/yours_test.sh
