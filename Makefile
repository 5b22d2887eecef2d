# normalize.h needs no build. What is around it is built and run here: `make` lists the targets, and
# make/*.mk has them by purpose.

MAKEFLAGS += --no-print-directory
JOBS     ?= $(shell nproc 2>/dev/null || echo 2)
PARALLEL  = +@$(MAKE) $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))
WARNINGS := -Wall -Wextra
comma    := ,

# Each test of PROVE is a line in quotes: a program and its arguments, and before them what
# tools/tap.sh takes, without dashes. NEEDS, for all tests of a target, are the tools it cannot do
# without. What takes long says so: TAKES.
PROVE     = prove --timer -j$(JOBS) --exec 'tools/tap.sh $(NEEDS:%=--needs %) --line'
TAKES     = @echo "$@: about $(1)"

.PHONY: help clean
help: ## This list
	@awk -F ':.*## ' 'FNR == 1 && NR > 1 {title = "\n" substr($$0, 3) "\n"} \
	    /^[a-z-]+:.*## / {printf "%s  %-18s %s\n", title, $$1, $$2; title = ""}' $(MAKEFILE_LIST)
clean: ## Remove build/
	@rm -rf build

include make/deps.mk make/build.mk make/test.mk make/proof.mk make/fuzz.mk make/bench.mk
include make/package.mk make/play.mk
