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

.PHONY: shared check-packages
shared: build/libnormalize.so ## build/libnormalize.so, as examples/python loads it

check-packages: build/libnormalize.so ## Programs that use each package and recipe; Python: SLOW=0
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
