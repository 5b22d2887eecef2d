# Installing, and other builds

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
	$(call TAKES,8 seconds)
	$(CC) -std=c99 -O2 -fPIC -fvisibility=hidden -DNORMALIZE_SHARED -shared -o $@ $< -lm

# The package for node: WebAssembly without a C library, as text. Without the compiler there is
# none, and its check is skipped.
NPM_CC   ?= clang-16
NPM_FROM := $(wildcard packaging/npm/*)
NPM_LINK := --no-entry --strip-all --stack-first --export=__heap_base -z stack-size=131072

build/npm/wasm.js: $(NPM_FROM) LICENSE normalize.h make/package.mk
	@mkdir -p $(@D)
	@if ! command -v $(NPM_CC) >/dev/null; then rm -f $@; exit 0; fi; \
	echo "$(NPM_CC) -O2 -msimd128 packaging/npm/normalize.c (5 s)"; \
	$(NPM_CC) --target=wasm32 -std=gnu99 -O2 -msimd128 -mbulk-memory $(WARNINGS) -nostdlib \
	    $(foreach word,$(NPM_LINK),-Wl,$(word)) -o build/npm.wasm packaging/npm/normalize.c && \
	cp $(filter-out %.c,$(NPM_FROM)) LICENSE $(@D) && \
	perl -MMIME::Base64 -0777 -ne 'print "export default `\n", encode_base64($$_), "`;\n"' \
	    build/npm.wasm >$@

.PHONY: shared npm check-packages
npm: build/npm/wasm.js ## build/npm, the package for node and bundlers: npm pack build/npm
	@[ -f $< ] || { echo "no $(NPM_CC) here (make deps-packages)"; exit 1; }

shared: build/libnormalize.so ## build/libnormalize.so, as examples/python loads it

check-packages: build/libnormalize.so build/npm/wasm.js
check-packages: ## Programs that use each package and recipe; Python: SLOW=0
	$(call TAKES,two minutes)
	@SLOW=$(or $(SLOW),0) $(PROVE) tests/packages/run.sh tests/packages/recipes.sh

.PHONY: check-readme
check-readme: ## Every command of README.md, in a copy of the tree
	$(call TAKES,a minute)
	@$(PROVE) tools/readme.sh

# At once, so that no core waits at the end of each, and what takes longest first; make deps-all
# brings what this takes.
SLOW_OBJECTS := build/san-clang/inside.o build/fuzz/normalize.o build/san-memory/inside.o
.PHONY: build-all
build-all: ## What the targets of .ci/run compile
	$(call TAKES,3 minutes on two cores)
	$(PARALLEL) -k $(SLOW_OBJECTS) build-test build-san build-threads build-mpi build-memcheck \
	    build-coverage build-fuzz build/libnormalize.so build/bench/instructions build/bench/time
