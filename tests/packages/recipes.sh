#!/usr/bin/env bash
# The recipes of packaging/, as TAP: each is built with its own tool in a copy of this tree, and its
# package is used. What make deps-packages does not bring is reported as not run, and counts as
# nothing: cargo, go, zig, xmake.
#
#   SLOW=1 tests/packages/recipes.sh     Go and Zig as well: minutes
set -uo pipefail
cd "$(dirname "$0")/../.."

. tests/packages/harness.sh

# Of whoever has all of these modules, the first.
python_with() # MODULE...
{
    local python list="$*"
    for python in ${PYTHON:-} build/packages/bin/python3 python3 /usr/bin/python3; do
        if command -v "$python" >/dev/null && "$python" -c "import ${list// /,}" 2>/dev/null; then
            python_found=$(command -v "$python")
            [ "${python_found#/}" != "$python_found" ] || python_found=$root/$python_found
            export PYTHONDONTWRITEBYTECODE=1
            return
        fi
    done
    echo "no python3 with $* here (make deps-packages)"
    exit 77
}

# A check that even STRICT lets be away.
optional() # TOOL TEXT COMMAND...
{
    if command -v "$1" >/dev/null; then check "${@:2}"; else echo "# not run, no $1 here: $2"; fi
}

copy_tree()
{
    mkdir -p "$dir/tree/tests" "$dir/tree/docs"
    cp -a normalize.h LICENSE README.md Makefile make CMakeLists.txt build.zig build.zig.zon \
        examples packaging "$dir/tree"
    cp -a tests/packages tests/support "$dir/tree/tests"
    cp docs/*.md "$dir/tree/docs"
}

# ---- Python -------------------------------------------------------------------------------------

# An sdist of the tree, and of it, elsewhere, a wheel: no network, and no header from outside.
wheel()
{
    python_with setuptools pip
    copy_tree
    cd "$dir/tree/packaging/python"
    "$python_found" -c 'import sys; from setuptools import build_meta as b
print("sdist", b.build_sdist(sys.argv[1]))' "$dir/dist" | tee "$dir/said"
    local sdist
    sdist=$dir/dist/$(sed -n 's/^sdist //p' "$dir/said")
    mkdir "$dir/unpacked" && tar xzf "$sdist" -C "$dir/unpacked" --strip-components 1
    cmp "$root/normalize.h" "$dir/unpacked/c/normalize.h"
    unset CFLAGS
    "$python_found" -m pip wheel --no-build-isolation --no-deps --no-index -w "$dir/dist" "$sdist"
    "$python_found" -m pip install --no-deps --no-index --target "$dir/site" "$dir"/dist/*.whl
    ls "$dir/dist" | grep "^normalize_h-$version-py3-none-.*\.whl$"
    local file
    for file in "$dir"/site/normalize_h/_*.so; do
        [ -z "$(nm -D --defined-only "$file" | awk '$3 !~ /^normalize_(py|oracle)_/')" ]
    done
}

# dir is that of this check; what `wheel` installed is in the one before it.
python_tests()
{
    python_with numpy pytest hypothesis ml_dtypes
    [ -d "$work/$((count - 1))/site" ] || { echo "no wheel"; return 1; }
    cp -r "$root/packaging/python/tests" "$dir"
    cd "$dir/tests"
    PYTHONPATH=$work/$((count - 1))/site "$python_found" -W error::DeprecationWarning \
        -m pytest -q -rs -p no:cacheprovider | tee "$dir/said"
    echo "note: $(tail -n 1 "$dir/said")"
}

# ---- C and C++ ----------------------------------------------------------------------------------

by_conan()
{
    need cmake make cc
    python_with conan
    copy_tree
    export CONAN_HOME=$dir/home
    conan() { "$python_found" -m conans.conan "$@"; }
    conan profile detect
    conan create "$dir/tree/packaging/conan" 2>&1 | tee "$dir/said"
    grep "^normalize $version\$" "$dir/said"
    same files "$(cd "$dir"/home/p/b/*/p && find . -name normalize.h -o -name LICENSE | sort |
        tr '\n' ' ')" "./include/normalize.h ./licenses/LICENSE "
}

by_vcpkg_port()
{
    need cmake make cc perl
    copy_tree
    cmake -DTREE="$dir/tree" -DDIR="$dir" -P "$here/vcpkg/port.cmake"
    same files "$(files_below "$dir/package")" "./include/normalize.h\
 ./share/normalize-h/copyright ./share/normalize-h/usage\
 ./share/normalize/normalizeConfig.cmake ./share/normalize/normalizeConfigVersion.cmake\
 ./share/pkgconfig/normalize.pc "
    same version "$(perl -MJSON::PP -0777 -ne 'print decode_json($_)->{version}' \
        packaging/vcpkg/normalize-h/vcpkg.json)" "$version"
    mkdir "$dir/consumer"
    cp "$here/consumer.c" "$here/cmake/CMakeLists.txt" "$dir/consumer"
    cmake -S "$dir/consumer" -B "$dir/use" -DHOW=package -DPART=normalize -DLANGUAGE=C \
        -DCMAKE_PREFIX_PATH="$dir/package" -DWANTED="$version"
    cmake --build "$dir/use"
    works "$dir/use/consumer"
}

by_xmake()
{
    copy_tree
    cp "$here/consumer.c" "$dir"
    printf '%s\n' "add_repositories(\"n $dir/tree/packaging/xmake\")" \
        'add_requires("normalize-h")' 'target("consumer")' 'add_files("consumer.c")' \
        'add_packages("normalize-h")' >"$dir/xmake.lua"
    cd "$dir"
    XMAKE_GLOBALDIR=$dir/global xmake -y
    works "$(find "$dir/build" -name consumer -type f)"
}

# Lintian finds nothing but what it tells pedants.
debian_package()
{
    need dpkg-buildpackage dh lintian fakeroot pkg-config cc
    copy_tree
    mv "$dir/tree" "$dir/normalize-h-$version"
    cd "$dir"
    tar czf "normalize-h_$version.orig.tar.gz" "normalize-h-$version"
    cd "normalize-h-$version"
    cp -r packaging/debian debian
    unset CFLAGS CXXFLAGS
    same version "$(dpkg-parsechangelog -S Version)" "$version-1"
    dpkg-buildpackage -us -uc
    cd ..
    lintian --fail-on error,warning --suppress-tags bad-distribution-in-changes-file ./*.changes |
        tee said
    [ ! -s said ]
    dpkg -x libnormalize-h-dev_*_all.deb prefix
    cmp "$root/normalize.h" prefix/usr/include/normalize.h
    export PKG_CONFIG_PATH=$dir/prefix/usr/share/pkgconfig PKG_CONFIG_SYSROOT_DIR=$dir/prefix
    same version "$(pkg-config --modversion normalize)" "$version"
    # shellcheck disable=SC2046
    cc -O0 -DNRM_NO_SIMD -I"$dir/prefix/usr/include" "$here/consumer.c" -o consumer \
        $(pkg-config --libs normalize)
    works ./consumer
}

# ---- Other languages ----------------------------------------------------------------------------

rust_crate()
{
    copy_tree
    cd "$dir/tree/packaging/rust/normalize-sys"
    grep "^version = \"$version\"\$" Cargo.toml
    export CARGO_TARGET_DIR=$dir/target
    cargo test --offline
    cargo package --offline --allow-dirty --no-verify --list | tee "$dir/said"
    grep '^normalize.h$' "$dir/said"
}

zig_package()
{
    copy_tree
    grep "version = \"$version\"" build.zig.zon
    mkdir "$dir/use"
    cp "$here"/zig/* "$dir/use"
    ln -s "$dir/tree" "$dir/use/normalize"
    cd "$dir/use"
    export ZIG_GLOBAL_CACHE_DIR=$dir/zig
    zig build
    ./zig-out/bin/consumer 2>"$dir/said"
    same "it says" "$(cat "$dir/said")" "normalize $version"
}

# cgo takes the header as it is: docs/platforms.md.
go_module()
{
    mkdir "$dir/module"
    cp normalize.h "$dir/module"
    sed -n '/^```go$/,/^```$/p' docs/platforms.md | sed '/^```/d' >"$dir/module/main.go"
    cd "$dir/module"
    export GOCACHE=$dir/cache GOFLAGS=-mod=mod GOTOOLCHAIN=local GO111MODULE=on
    export CGO_CFLAGS="-O0 -DNRM_NO_SIMD"
    go mod init example.org/consumer
    go run . | tee "$dir/said"
    grep '^\[-1.3416355' "$dir/said"
}

# What stands on docs/platforms.md: the program for Godbolt, with the header where it is included,
# as the site has it; and each indented command below a line "<!-- run: TOOL -->".
godbolt()
{
    need cc
    sed -n '/^## Godbolt/,$p' docs/platforms.md | sed -n '/^```c$/,/^```$/p' | sed '/^```/d' |
        awk -v header=normalize.h '/^#include <https/ {
            print "#line 1 \"https://\""
            while ((getline line <header) > 0) print line
            print "#line " NR + 1 " \"<stdin>\""; next } {print}' >"$dir/example.c"
    cd "$dir"
    # shellcheck disable=SC2086
    cc $CFLAGS example.c -o example -lm
    same "it says" "$(./example)" "-1.34163547 -0.447211802 0.447211802 1.34163547"
}

commands_of_platforms() # TOOL
{
    cp normalize.h "$dir"
    awk -v mark="<!-- run: $1 -->" '
        $0 == mark {on = 1; next} on && /^    / {print; seen = 1; next}
        seen {exit}' docs/platforms.md >"$dir/commands"
    cd "$dir"
    printf '#define NORMALIZE_IMPLEMENTATION\n#include "normalize.h"\n' >normalize_code.c
    [ -s commands ]
    sh -e commands
    [ -s normalize_code.o ]
}

# ---- The list -----------------------------------------------------------------------------------

check "Python: sdist with the header, wheel without a network" wheel
check "Python: tests of the package" python_tests
check "Conan 2: conan create" by_conan
check "vcpkg: the port, with stand-ins for vcpkg's functions" by_vcpkg_port
check "Debian: dpkg-buildpackage, lintian" debian_package
check "Godbolt: the program of docs/platforms.md" godbolt
optional clang-19 "bare metal: the command of docs/platforms.md" commands_of_platforms clang-19
optional cargo "Rust: normalize-sys, structs as in C, calls" rust_crate
optional xmake "xmake: the package of packaging/xmake" by_xmake
if [ "${SLOW:-0}" = 0 ]; then
    echo "# not run without SLOW=1: Go, Zig"
else
    optional go "Go: cgo, as docs/platforms.md says" go_module
    optional zig "Zig: a program with the package" zig_package
fi

finish
