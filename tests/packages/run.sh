#!/usr/bin/env bash
# Each package as its users see it, as TAP: consumer.c is built and run outside of this tree with
# what make install, CMake, Meson and clib.json give it; then the shared library and Python.
#
# build/libnormalize.so is there already (make check-packages). The rest is compiled for one
# instruction set without optimisation: how programs find the header has nothing to do with it.
set -uo pipefail
cd "$(dirname "$0")/../.."

. tests/packages/harness.sh

# ---- make install -------------------------------------------------------------------------------

installed_files()
{
    make install DESTDIR="$dir/root" PREFIX=/opt/n
    same files "$(files_below "$dir/root")" \
        "./opt/n/include/normalize.h ./opt/n/share/pkgconfig/normalize.pc "
    cmp normalize.h "$dir/root/opt/n/include/normalize.h"
    # No DESTDIR, and nothing of the template.
    ! grep -n "$dir\|@" "$dir/root/opt/n/share/pkgconfig/normalize.pc" || return 1
    make uninstall DESTDIR="$dir/root" PREFIX=/opt/n
    same "files left" "$(files_below "$dir/root")" ""
}

# Arguments: compiler and its options; then what is given to make install.
by_pkg_config()
{
    local compiler=$1 prefix=$dir/prefix
    shift
    need make pkg-config "${compiler%% *}"
    make install PREFIX="$prefix" "$@"
    export PKG_CONFIG_PATH=$prefix/share/pkgconfig
    same version "$(pkg-config --modversion normalize)" "$version"
    pkg-config --validate normalize
    cp "$here/consumer.c" "$dir"
    cd "$dir"
    # shellcheck disable=SC2046,SC2086
    $compiler $CFLAGS $(pkg-config --cflags normalize) consumer.c -o consumer \
        $(pkg-config --libs normalize)
    works ./consumer
}

elsewhere() { by_pkg_config cc INCLUDEDIR="$dir/headers/of/mine"; }

# ---- CMake --------------------------------------------------------------------------------------

# Arguments: options of the consumer's project.
cmake_consumer()
{
    mkdir "$dir/consumer"
    cp "$here/consumer.c" "$here/cmake/CMakeLists.txt" "$dir/consumer"
    cmake -S "$dir/consumer" -B "$dir/build" -DSOURCE="$root" -DLANGUAGE=C "$@"
    cmake --build "$dir/build"
    works "$dir/build/consumer"
}

# Arguments: the part used; then options of the installation, and after -- of the consumer.
by_find_package()
{
    local part=$1 options=()
    need cmake make cc c++
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do options+=("$1"); shift; done
    [ $# = 0 ] || shift
    cmake -S "$root" -B "$dir/package" -DCMAKE_INSTALL_PREFIX="$dir/prefix" "${options[@]}"
    cmake --build "$dir/package"
    cmake --install "$dir/package"
    cmake_consumer -DHOW=package -DPART="$part" -DCMAKE_PREFIX_PATH="$dir/prefix" \
        -DWANTED="$version" "$@" | tee "$dir/said"
    grep "found normalize $version\$" "$dir/said"
}

installed_by_cmake()
{
    need pkg-config
    by_find_package normalize
    same files "$(files_below "$dir/prefix")" "./include/normalize.h\
 ./lib/cmake/normalize/normalizeConfig.cmake ./lib/cmake/normalize/normalizeConfigVersion.cmake\
 ./share/pkgconfig/normalize.pc "
    export PKG_CONFIG_PATH=$dir/prefix/share/pkgconfig
    same version "$(pkg-config --modversion normalize)" "$version"
    same include "$(pkg-config --variable includedir normalize)" "$dir/prefix/include"
    local next=$((${version%%.*} + 1)).0
    if cmake -S "$dir/consumer" -B "$dir/refused" -DHOW=package -DPART=normalize -DLANGUAGE=C \
        -DCMAKE_PREFIX_PATH="$dir/prefix" -DWANTED=$next >"$dir/refused.log" 2>&1; then
        echo "version $next is found"
        return 1
    fi
    grep "requested version" "$dir/refused.log"
}

static_by_cmake()
{
    by_find_package library -DNORMALIZE_LIBRARY=ON
    [ -f "$dir/prefix/lib/libnormalize.a" ]
}

shared_by_cmake()
{
    need objdump nm
    by_find_package library -DNORMALIZE_LIBRARY=ON -DBUILD_SHARED_LIBS=ON \
        -DCMAKE_C_VISIBILITY_PRESET=hidden
    exports_are_public "$dir/prefix/lib/libnormalize.so"
    objdump -p "$dir/prefix/lib/libnormalize.so" | grep "SONAME *libnormalize.so.${version%.*}\$"
}

# Nothing of ours is installed with a project that holds us.
as_subproject() # HOW PART
{
    need cmake make cc c++
    cmake_consumer -DHOW="$1" -DPART="$2" -DCMAKE_INSTALL_PREFIX="$dir/prefix"
    cmake --install "$dir/build"
    [ ! -e "$dir/prefix" ]
}

# ---- Meson --------------------------------------------------------------------------------------

by_meson() # DEPENDENCY OPTION...
{
    local dependency=$1
    need meson ninja cc
    shift
    mkdir -p "$dir/consumer/subprojects"
    cp "$here/consumer.c" "$here"/meson/meson* "$dir/consumer"
    ln -s "$root" "$dir/consumer/subprojects/normalize"
    meson setup "$dir/build" "$dir/consumer" -Ddependency="$dependency" \
        -Dnormalize:werror=true "$@" | tee "$dir/said"
    grep "normalize.*$version" "$dir/said"
    ninja -C "$dir/build"
    works "$dir/build/consumer"
}

installed_by_meson()
{
    need meson ninja pkg-config cc
    meson setup "$dir/build" "$root" --prefix "$dir/prefix"
    ninja -C "$dir/build" install
    same files "$(files_below "$dir/prefix")" \
        "./include/normalize.h ./share/pkgconfig/normalize.pc "
    export PKG_CONFIG_PATH=$dir/prefix/share/pkgconfig
    same version "$(pkg-config --modversion normalize)" "$version"
    same include "$(pkg-config --variable includedir normalize)" "$dir/prefix/include"
}

# ---- clib ---------------------------------------------------------------------------------------

# clib is not in Debian. What it does with a package is copy each file of "src" to deps/NAME.
by_clib()
{
    local field file
    need perl cc
    field() { perl -MJSON::PP -0777 -ne "\$_ = decode_json(\$_)->{$1};
        print ref ? join \"\\n\", @\$_ : \$_" clib.json; }
    same version "$(field version)" "$version"
    mkdir -p "$dir/deps/$(field name)"
    for file in $(field src); do cp "$file" "$dir/deps/$(field name)"; done
    cp "$here/consumer.c" "$dir"
    cd "$dir"
    # shellcheck disable=SC2086
    cc $CFLAGS -Ideps/normalize consumer.c -o consumer -lm
    works ./consumer
}

# ---- The shared library, and Python -------------------------------------------------------------

exports_are_public()
{
    need nm
    same "names in $1" "$(nm -D --defined-only "$1" | awk '{print $3}' | sort)" "$public"
}

# An interpreter of the user's own may have no numpy where Debian's has.
python_with_numpy()
{
    local python
    for python in ${PYTHON:-} python3 /usr/bin/python3 build/venv/bin/python3; do
        if command -v "$python" >/dev/null && "$python" -c 'import numpy' 2>/dev/null; then
            python_found=$python
            echo "note: numpy is that of $(command -v "$python")"
            export PYTHONDONTWRITEBYTECODE=1
            return
        fi
    done
    echo "no python3 with numpy here (make deps-packages)"
    exit 77
}

layout_in_python()
{
    need cc
    python_with_numpy
    cc -o "$dir/layout" "$here/layout.c"
    "$dir/layout" | "$python_found" "$here/layout.py"
}

python_demonstration()
{
    python_with_numpy
    "$python_found" examples/python/normalize.py
}

beside_torch()
{
    python_with_numpy
    "$python_found" "$here/beside_torch.py"
}

# ---- npm ----------------------------------------------------------------------------------------

# Installed as npm install does it with a file of npm pack, and found by its name. Without npm,
# which deps-all does not bring, the files that package.json lists are packed by tar.
by_npm()
{
    local packed=$dir/node_modules/normalize-h
    need clang-16 node
    node -e 'const p = require("./build/npm/package.json");
        console.log(p.version, ["package.json", "README.md", ...p.files].sort().join(" "))' \
        >"$dir/listed"
    same version "$(cut -d' ' -f1 "$dir/listed")" "$version"
    mkdir -p "$packed"
    if command -v npm >/dev/null; then
        npm pack --offline --pack-destination "$dir" ./build/npm
        tar xzf "$dir"/*.tgz -C "$packed" --strip-components=1
    else
        echo "note: no npm here, packed by tar"
        # shellcheck disable=SC2046
        tar cf - -C build/npm $(cut -d' ' -f2- "$dir/listed") | tar xf - -C "$packed"
    fi
    same files "$(files_below "$packed" | tr ' ' '\n' | sed 's|^\./||' | LC_ALL=C sort | xargs)" \
        "$(cut -d' ' -f2- "$dir/listed")"
    sed "s|'\./normalize.js'|'normalize-h'|" build/npm/test.js >"$dir/test.mjs"
    cd "$dir"
    node --test test.mjs
}

# ---- The list -----------------------------------------------------------------------------------

check "make install, make uninstall: files" installed_files
check "pkg-config: a program in C" by_pkg_config cc
check "pkg-config: a program in C++" by_pkg_config "c++ -x c++"
check "pkg-config: INCLUDEDIR elsewhere" elsewhere
check "CMake: find_package, header, pkg-config, a later version refused" installed_by_cmake
check "CMake: find_package, header, from C++" by_find_package normalize -- -DLANGUAGE=CXX
check "CMake: find_package, static library" static_by_cmake
check "CMake: find_package, shared library" shared_by_cmake
check "CMake: add_subdirectory, header" as_subproject subdirectory normalize
check "CMake: add_subdirectory, library" as_subproject subdirectory library
check "CMake: FetchContent, header" as_subproject fetch normalize
check "Meson: subproject, header" by_meson normalize
check "Meson: subproject, static library" by_meson normalize-library --default-library static
check "Meson: subproject, shared library" by_meson normalize-library --default-library shared
check "Meson: installed, pkg-config" installed_by_meson
check "clib.json: what it lists is enough" by_clib
check "make shared: exports the public functions and no other name" \
    exports_are_public build/libnormalize.so
check "Python: structs and enumerators as in C" layout_in_python
check "Python: each kind beside numpy in double" python_demonstration
check "npm: the package, installed, each kind beside plain loops" by_npm
# deps-all does not bring PyTorch, so that even STRICT lets it be away.
if (python_with_numpy && "$python_found" -c 'import torch') >/dev/null 2>&1; then
    check "Python: activations, add and gate beside PyTorch" beside_torch
else
    count=$((count + 1)) skipped=$((skipped + 1))
    echo "ok $count # SKIP Python: activations, add and gate: no PyTorch here (make deps-peers)"
fi

finish
