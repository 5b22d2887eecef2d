# normalize.h needs no build. This file builds and runs what is around it: `make` lists the targets.

MAKEFLAGS += --no-print-directory
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PARALLEL = +@$(MAKE) -j$(JOBS)
PROVE = prove -j$(JOBS)

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
# its private names, are built whole.

WHOLE  := $(patsubst tests/%.c,%,$(shell grep -l 'NRMI_\|nrmi_' tests/test_*.c))
LINKED := $(filter-out $(WHOLE),$(TESTS))
comma  := ,

define build
build/$(1)/normalize.o: normalize.h Makefile
	@mkdir -p $$(@D)
	@echo "$(2) $(3) normalize.h"
	@$(2) -std=gnu99 $(3) -DNORMALIZE_IMPLEMENTATION -o $$@ -x c -c normalize.h

$(WHOLE:%=build/$(1)/%): build/$(1)/%: tests/%.c normalize.h $(HEADERS) Makefile
	@mkdir -p $$(@D)
	@echo "$(2) $(3) $$<"
	@$(2) -std=gnu99 $(WARNINGS) $(3) -o $$@ $$< -lm

$(LINKED:%=build/$(1)/%): build/$(1)/%: tests/%.c build/$(1)/normalize.o $(HEADERS)
	@echo "$(2) $(3) $$<"
	@$(2) -std=gnu99 $(WARNINGS) $(3) -DNRMI_IMPLEMENTED -o $$@ $$< build/$(1)/normalize.o -lm
endef

# make test
$(eval $(call build,gcc,gcc,-O2))
$(eval $(call build,clang,clang,-O2))

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

# make check-san
SAN := -g -fno-omit-frame-pointer -fno-sanitize-recover=all
$(eval $(call build,san-gcc,gcc,-O1 $(SAN) -fsanitize=address$(comma)undefined))
$(eval $(call build,san-clang,clang,-O1 $(SAN) -fsanitize=address$(comma)undefined))
$(eval $(call build,san-memory,clang,-O1 $(SAN) -fsanitize=memory))

# The first example is built as its comment says, whole; the others are linked, to save time.
build/examples/01_layernorm: examples/01_layernorm.c normalize.h Makefile
	@mkdir -p $(@D)
	@echo "$(CC) -O2 $<"
	@$(CC) -O2 $(WARNINGS) -o $@ $< -lm

build/examples/%: examples/%.c build/gcc/normalize.o
	@mkdir -p $(@D)
	@echo "gcc -O2 $<"
	@gcc -O2 $(WARNINGS) -DNRMI_IMPLEMENTED -o $@ $< build/gcc/normalize.o -lm

# ---- Packages -----------------------------------------------------------------------------------

# libc6-dev comes with gcc and clang, objdump and nm with binutils, prove with perl. The sanitizers
# of clang are a package of their own.
PACKAGES := make gcc g++ clang libclang-rt-dev binutils perl

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

.PHONY: test build-test
build-test: $(TEST_PROGRAMS) $(EXAMPLES:%=build/examples/%)
test: ## Build and run the tests (gcc and clang) and the examples
	$(PARALLEL) build-test
	@status=0; \
	$(PROVE) --exec tests/tap.sh $(TEST_PROGRAMS) || status=1; \
	$(PROVE) --exec 'tests/tap.sh --status' $(EXAMPLES:%=build/examples/%) || status=1; \
	JOBS=$(JOBS) prove --exec tests/tap.sh tests/include/run.sh :: quick || status=1; \
	exit $$status

.PHONY: demo
demo: build/examples/01_layernorm ## Layer norm of rows far from zero, beside the usual formula
	@build/examples/01_layernorm

.PHONY: check-include
check-include: ## gcc and clang x standards x -O0 -O3 x options; symbols, macros, pragmas, stack
	@JOBS=$(JOBS) prove --exec tests/tap.sh tests/include/run.sh

# The golden hashes under every flag set, and all instruction sets against each other under those
# that change the most.
FLAG_PROGRAMS := $(FLAG_BUILDS:%=build/%/test_golden) \
    $(foreach cc,gcc clang,$(foreach set,O0 Ofast contract,build/flags-$(cc)-$(set)/test_isa))

.PHONY: check-flags build-flags
build-flags: $(FLAG_PROGRAMS)
check-flags: ## The same bits from -O0 to -Ofast -march=native, contraction on or off, gcc and clang
	$(PARALLEL) build-flags
	@$(PROVE) --exec tests/tap.sh $(FLAG_PROGRAMS)

# The tests that are built whole take gcc a minute and a half each here, so clang alone has them.
SAN_PROGRAMS := $(LINKED:%=build/san-gcc/%) $(TESTS:%=build/san-clang/%)
SAN_PROGRAMS += $(TESTS:%=build/san-memory/%)

.PHONY: check-san build-san
build-san: $(SAN_PROGRAMS)
check-san: ## The tests under address, undefined and memory sanitizers
	$(PARALLEL) build-san
	@$(PROVE) --exec tests/tap.sh $(SAN_PROGRAMS)

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
