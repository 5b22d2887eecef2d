#!/usr/bin/env bash
# Installs those Debian packages that are missing.
#
#   tools/deps.sh TARGET PACKAGE...    TARGET is what make calls it
#   tools/deps.sh --numpy              makes build/venv, where no python3 has numpy: one that is not
#                                      Debian's does not see Debian's packages
#   tools/deps.sh --python MODULE...   makes build/packages, where no python3 has all of these
set -euo pipefail

if [ "$1" = --numpy ]; then
    for python in ${PYTHON:-} python3 /usr/bin/python3 build/venv/bin/python3; do
        ! "$python" -c 'import numpy' 2>/dev/null || exit 0
    done
    echo "deps: no python3 with numpy; making one in build/venv, with pip"
    python3 -m venv build/venv
    build/venv/bin/python3 -m pip -q install numpy
    exit
fi

if [ "$1" = --python ]; then
    shift
    modules="$*"
    for python in ${PYTHON:-} build/packages/bin/python3 python3; do
        ! "$python" -c "import ${modules// /,}" 2>/dev/null || exit 0
    done
    echo "deps: no python3 with $modules; making one in build/packages, with pip"
    python3 -m venv --system-site-packages build/packages
    build/packages/bin/python3 -m pip -q install "$@"
    exit
fi

target=$1
shift
if ! command -v dpkg >/dev/null; then
    echo "$target: not a Debian system; these should be there: $*"
    exit 0
fi
missing=()
for package; do
    dpkg -s "$package" 2>/dev/null | grep -q '^Status: install ok installed' ||
        missing+=("$package")
done
if [ ${#missing[@]} = 0 ]; then
    echo "$target: all there ($*)"
    exit 0
fi
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
if [ -n "$sudo" ] && ! command -v sudo >/dev/null; then
    echo "$target: neither root nor sudo; please install ${missing[*]}"
    exit 1
fi
echo "$target: installing ${missing[*]}, and what these need"
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
    "${missing[@]}"
