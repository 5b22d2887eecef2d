# The page on the library itself: docs/play/

# Two modules: a browser without SIMD128 takes the second one, and it is timed beside the first.
# Without the compiler there are none, and the check is skipped.
PLAY_CC   ?= clang-16
PLAY_FLAGS = --target=wasm32-wasi -mexec-model=reactor -std=gnu99 -O2 -fno-unroll-loops \
    $(WARNINGS) -Wl,--strip-all -Wl,-z,stack-size=1048576
PLAY_FROM := docs/play/play.c tests/test_golden_hashes.c normalize.h bench/shapes.h \
    bench/textbook.h $(HEADERS) make/play.mk

build/play/normalize.wasm: PLAY_SIMD := -msimd128
build/play/normalize.wasm build/play/scalar.wasm: $(PLAY_FROM)
	@mkdir -p $(@D)
	@if ! command -v $(PLAY_CC) >/dev/null; then rm -f $@; exit 0; fi; \
	echo "$(PLAY_CC) -O2 $(PLAY_SIMD) docs/play/play.c (5 s)"; \
	$(PLAY_CC) $(PLAY_FLAGS) $(PLAY_SIMD) -o $@ docs/play/play.c

build/play/normalize.wasm.js: build/play/normalize.wasm build/play/scalar.wasm docs/play/pack.pl \
    tests/golden.txt
	@if ! command -v $(PLAY_CC) >/dev/null; then rm -f $@; exit 0; fi; \
	perl docs/play/pack.pl $(PLAY_CC) build/play/normalize.wasm build/play/scalar.wasm >$@ || \
    { rm -f $@; exit 1; }

.PHONY: play check-play
play: build/play/normalize.wasm.js ## docs/play/normalize.wasm.js: this library, as the page runs it
	@[ -f $< ] || { echo "no $(PLAY_CC) here (make deps-cross)"; exit 1; }
	@cp $< docs/play/
check-play: NEEDS := deps-page:chromium deps-cross:$(PLAY_CC)
check-play: build/play/normalize.wasm.js ## docs/play/ in headless Chromium: all views, pictures
	$(call TAKES,half a minute)
	@$(PROVE) 'perl tests/play/check.pl'
