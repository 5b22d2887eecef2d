# What is compiled for the tests

# A build is a directory under build/ that holds the tests as one compiler with one set of flags
# makes them. The tables below have them: NAME, compiler, flags, and the seconds that normalize.h
# takes one core of Zen 4. Other compilers, flags and machines are in tests/cross/matrix.
#
# The implementation is compiled once for each build, and the tests, which include the declarations
# alone, are linked with it. Those that look inside, and test_threads, which has small calls cut up,
# need an object of their own: tests/support/inside.h. A reader may compile any of them at once,
# `cc -DNORMALIZE_IMPLEMENTATION tests/test_x.c -lm`. Builds that cut up small calls in every test
# have one object for all.

# Those that take longest come first, so that no core waits for one at the end.
LONG     := test_threads test_same_bits test_stack
TESTS    := $(LONG) $(filter-out $(LONG),$(patsubst tests/%.c,%,$(wildcard tests/test_*.c)))
EXAMPLES := $(patsubst examples/%.c,%,$(wildcard examples/*.c))
HEADERS  := $(wildcard tests/support/*.h fuzz/*.h)

CUT_UP := -DNRM_POOL_MIN=1
INSIDE := $(patsubst tests/%.c,%,$(shell grep -l 'support/inside.h' tests/test_*.c)) test_threads \
    test_channels

# $(5) is the object that the tests of a build are linked with, but for those of INSIDE and what is
# fuzzed, which is cut up among threads however small.
define build
build/$(1)/normalize.o: normalize.h make/build.mk
	@mkdir -p $$(@D)
	@echo "$(2) $(3) normalize.h ($(4) s)"
	@$(2) -std=gnu99 $(3) -DNORMALIZE_IMPLEMENTATION -o $$@ -x c -c normalize.h

build/$(1)/inside.o: tests/support/inside.h normalize.h make/build.mk
	@mkdir -p $$(@D)
	@echo "$(2) $(3) normalize.h, as $$< has it ($(4) s)"
	@$(2) -std=gnu99 $(3) $(filter-out $(3),$(CUT_UP)) -DNORMALIZE_IMPLEMENTATION -o $$@ -x c -c $$<

$(addprefix build/$(1)/,$(filter-out $(INSIDE),$(TESTS))): build/$(1)/%: tests/%.c \
    build/$(1)/$(5).o $(HEADERS)
	@echo "$(2) $(3) $$<"
	@$(2) -std=gnu99 $(WARNINGS) $(3) -pthread -o $$@ $$< build/$(1)/$(5).o -lm

$(INSIDE:%=build/$(1)/%): build/$(1)/%: tests/%.c build/$(1)/inside.o $(HEADERS)
	@echo "$(2) $(3) $$<"
	@$(2) -std=gnu99 $(WARNINGS) $(3) -pthread -o $$@ $$< build/$(1)/inside.o -lm

$(addprefix build/$(1)/,replay search adversary): build/$(1)/%: fuzz/%.c build/$(1)/inside.o \
    $(HEADERS)
	@echo "$(2) $(3) $$<"
	@$(2) -std=gnu99 $(WARNINGS) $(3) $(filter-out $(3),$(CUT_UP)) -pthread -o $$@ $$< \
	    build/$(1)/inside.o -lm
endef

# make test; Valgrind 3.19 reads clang's line tables as DWARF 4 only
$(eval $(call build,gcc,gcc,-O2,8,normalize))
$(eval $(call build,clang,clang,-O2 -gdwarf-4 -gline-tables-only,8,normalize))

# make check-san, check-threads. Line tables alone and, for gcc, without the address sanitizer: it
# takes gcc 100 s of compiling where clang takes 31 s, and both look for the same. The memory
# sanitizer's tests run in 0.6 of the time with -O2.
# What this processor cannot run is not compiled for it: clang's address sanitizer takes a third of
# its time for AVX-512.
NOT_RUN := $(shell grep -qs '^flags.*avx512' /proc/cpuinfo || \
    { [ ! -e /proc/cpuinfo ] || echo -DNRM_NO_AVX512; })
SAN     := -O1 -g1 -fno-omit-frame-pointer -fno-sanitize-recover=all $(CUT_UP) $(NOT_RUN)
$(eval $(call build,san-gcc,gcc,$(SAN) -fsanitize=undefined,12,inside))
$(eval $(call build,san-clang,clang,$(SAN) -fsanitize=address$(comma)undefined,31,inside))
$(eval $(call build,san-memory,clang,$(SAN) -O2 -fsanitize=memory,13,inside))
$(eval $(call build,san-thread,clang,$(SAN) -fsanitize=thread,6,inside))

# make coverage. clang counts what is reached: it numbers conditions before it compiles for any
# instruction set, and tells the copies of a text that includes itself apart. Calls of the library
# stay calls: it compiles in a third of the time (14 s for 45) and runs as fast.
COVER := -O1 -fprofile-instr-generate -fcoverage-mapping -DTEST_IN_TURN -Dalways_inline=unused
$(eval $(call build,coverage,clang,$(COVER),14,normalize))

# ---- Examples -----------------------------------------------------------------------------------
#
# An example holds the implementation, as its reader's program would. Here it is built without that
# line, and linked, to save time; otherwise as its comment says.

.PRECIOUS: build/declared/%.c
build/declared/%.c: %.c
	@mkdir -p $(@D)
	@sed 's/^#define NORMALIZE_IMPLEMENTATION$$//' $< >$@

build/examples/06_threads_pthread: EXAMPLE_FLAGS := -pthread
build/examples/07_threads_openmp: EXAMPLE_FLAGS := -fopenmp

build/examples/%: build/declared/examples/%.c build/gcc/normalize.o make/build.mk
	@mkdir -p $(@D)
	@echo "gcc -O2 $(EXAMPLE_FLAGS) examples/$*.c"
	@gcc -O2 $(EXAMPLE_FLAGS) $(WARNINGS) -Iexamples -o $@ $< build/gcc/normalize.o -lm

# Nothing of the library is compiled for the oracle.
build/examples/oracle: examples/oracle.c $(HEADERS) normalize.h
	@mkdir -p $(@D)
	@echo "gcc -O2 $<"
	@gcc -O2 $(WARNINGS) -I. -o $@ $< -lm

# Without libpng there is no program, and running it is skipped.
build/examples/03_style: build/declared/examples/03_style.c build/gcc/normalize.o make/build.mk
	@mkdir -p $(@D)
	@if ! command -v libpng-config >/dev/null; then rm -f $@; exit 0; fi; \
	echo "gcc -O2 examples/03_style.c"; \
	gcc -O2 $(WARNINGS) -Iexamples $$(libpng-config --cflags) -o $@ $< build/gcc/normalize.o \
	    $$(libpng-config --ldflags) -lm

# Without MPI there is none either.
build/examples/%_mpi: build/declared/examples/%_mpi.c build/gcc/normalize.o make/build.mk
	@mkdir -p $(@D)
	@if ! command -v mpicc >/dev/null; then rm -f $@; exit 0; fi; \
	echo "mpicc -O2 examples/$*_mpi.c"; \
	mpicc -O2 $(WARNINGS) -Iexamples -o $@ $< build/gcc/normalize.o -lm

# Products are not fused: then its figures are the same wherever expf and tanhf are.
WHICH_NORM := build/examples/which_norm/which_norm
$(WHICH_NORM): build/declared/examples/which_norm/which_norm.c build/gcc/normalize.o \
    $(wildcard examples/which_norm/*.h) make/build.mk
	@mkdir -p $(@D)
	@echo "gcc -O3 examples/which_norm/which_norm.c"
	@gcc -O3 -ffp-contract=off $(WARNINGS) -Iexamples/which_norm -o $@ $< build/gcc/normalize.o -lm

build/san-thread/06_threads_pthread: build/declared/examples/06_threads_pthread.c \
    build/san-thread/inside.o
	@echo "clang -fsanitize=thread examples/06_threads_pthread.c"
	@clang $(SAN) -fsanitize=thread -pthread -Iexamples -o $@ $^ -lm
