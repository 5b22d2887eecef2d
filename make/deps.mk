# Packages of Debian, by purpose

# Nothing here is needed to use normalize.h, and `make demo` needs a C compiler alone.

# libc6-dev comes with gcc and clang, OpenMP with gcc, prove with perl, nm and objdump with
# binutils. An example reads pictures.
FOR_DEMO := make gcc libc6-dev
FOR_TEST := make gcc g++ clang binutils perl libpng-dev

# mpirun of mpich starts more ranks than there are processors, and as root, without being told so.
FOR_MPI := mpich libmpich-dev

# Sanitizers of clang; memcheck and helgrind; analysis, with clang's <omp.h>; coverage: llvm-cov.
FOR_CHECK := libclang-rt-dev valgrind clang-tidy cppcheck libomp-dev llvm

# libFuzzer comes with clang's sanitizers. OSS-Fuzz packs inputs.
FOR_FUZZ := libclang-rt-14-dev afl++ zip unzip

# Of tests/cross/matrix: other compilers; compilers of other machines, their C libraries (which the
# compilers only recommend) and the emulator; WASM, with clang's builtins, and node; Windows;
# AVX-512 by other instructions.
FOR_CROSS := gcc-11 gcc-12 clang-14 clang-16 clang-19 lld lld-16 musl-tools tcc \
    gcc-aarch64-linux-gnu gcc-arm-linux-gnueabihf gcc-riscv64-linux-gnu gcc-s390x-linux-gnu \
    gcc-powerpc64le-linux-gnu gcc-i686-linux-gnu libc6-dev-arm64-cross libc6-dev-armhf-cross \
    libc6-dev-riscv64-cross libc6-dev-s390x-cross libc6-dev-ppc64el-cross libc6-dev-i386-cross \
    qemu-user wasi-libc libclang-rt-14-dev-wasm32 libclang-rt-16-dev-wasm32 nodejs \
    gcc-mingw-w64-x86-64-posix wine64 libclang-rt-dev libsimde-dev

FOR_PACKAGES := cmake meson ninja-build pkg-config python3 python3-numpy python3-venv \
    clang-16 lld-16 nodejs dpkg-dev debhelper fakeroot lintian
PIP_PACKAGES := numpy setuptools wheel pytest hypothesis ml_dtypes conan

# Coq, floating-point arithmetic for it, and the prover that its tactic calls.
FOR_PROVE := coq libcoq-flocq libcoq-gappa gappa

# The benchmark, its charts, and callgrind. What it is compared with is large, and comes by itself.
FOR_BENCH := libbenchmark-dev gnuplot-nox valgrind
FOR_PEERS := libdnnl-dev libtorch-dev python3-venv
# Newer ones, as Python's wheels, for build/peers. No wheel has onnxruntime's header: ORT_DIR is a
# release of it; GGML_DIR a ggml that is installed.
PIP_PEERS ?= onednn-devel-cpu-gomp==2023.2.0 torch==2.13.0

# Pages are tried in a browser without a screen; it needs letters to show.
FOR_PAGE := chromium fonts-dejavu-core

FOR_ALL := $(sort $(FOR_TEST) $(FOR_MPI) $(FOR_CHECK) $(FOR_FUZZ) $(FOR_CROSS) $(FOR_PACKAGES) \
    $(FOR_PROVE) $(FOR_BENCH) $(FOR_PAGE))

.PHONY: deps deps-mpi deps-check deps-fuzz deps-cross deps-packages deps-prove deps-bench
.PHONY: deps-peers deps-page deps-all
# `make deps demo` installs what demo needs, and no more.
deps: ## What make test needs: gcc, clang, perl; only what is missing, as for all of these
	@tools/deps.sh $@ $(if $(filter demo,$(filter-out deps,$(MAKECMDGOALS))),$(if \
	    $(filter-out deps demo,$(MAKECMDGOALS)),$(FOR_TEST),$(FOR_DEMO)),$(FOR_TEST))
deps-mpi: ## ... check-mpi
	@tools/deps.sh $@ $(FOR_TEST) $(FOR_MPI)
deps-check: ## ... check-san, check-threads, memcheck, coverage, mutants, analyze
	@tools/deps.sh $@ $(FOR_TEST) $(FOR_CHECK)
deps-fuzz: ## ... fuzz, fuzz-afl, check-yours
	@tools/deps.sh $@ $(FOR_TEST) $(FOR_FUZZ)
deps-cross: ## ... check-cross, check-simd: compilers of other machines, emulators; 2 GB
	@tools/deps.sh $@ $(FOR_TEST) $(FOR_CROSS)
deps-packages: ## ... check-packages: CMake, Meson, Debian's tools, Python, Conan, WASM, node
	@tools/deps.sh $@ $(FOR_TEST) $(FOR_PACKAGES)
	@tools/deps.sh --numpy
	@tools/deps.sh --python $(PIP_PACKAGES)
deps-prove: ## ... prove: Coq, Gappa
	@tools/deps.sh $@ $(FOR_TEST) $(FOR_PROVE)
deps-bench: ## ... bench, report, instructions
	@tools/deps.sh $@ $(FOR_TEST) $(FOR_BENCH)
deps-peers: ## ... bench-peers, accuracy: oneDNN 3 and PyTorch 2 (build/peers), else Debian's; GBs
	@tools/deps.sh $@ $(FOR_TEST) $(FOR_BENCH) $(FOR_PEERS)
	@[ -x build/peers/bin/pip ] || python3 -m venv build/peers
	@build/peers/bin/pip -q install $(PIP_PEERS) || echo "$@: no such wheels; Debian's do"
deps-page: ## ... check-page: Chromium
	@tools/deps.sh $@ $(FOR_TEST) $(FOR_PAGE)
deps-all: ## All of these but the peers: what .ci/run needs
	@tools/deps.sh $@ $(FOR_ALL)
	@tools/deps.sh --numpy
	@tools/deps.sh --python $(PIP_PACKAGES)
