#!/usr/bin/env bash
# Every command of README.md, as TAP: the program and the lines to type as they stand there, and of
# each `make` target that neither .ci/run runs nor this is, a short form (sub short).
#
# In a copy of the tree, since some of them write tables and charts into it. The library that is
# compiled there already is taken along: compiling it is what the rest of make test does.
set -uo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
mkdir "$tree"
compiled=$(ls build/{gcc,cut}/normalize.o build/gcc/test_adversary build/bench/*.o \
    build/libnormalize.so 2>/dev/null)
# shellcheck disable=SC2086
tar -cf - --exclude='./build' --exclude=./.git . $compiled | tar -xf - -C "$tree"
unset MAKEFLAGS STRICT
count=0 failed=0

check() # TEXT COMMAND...
{
    local text=$1 status
    shift
    count=$((count + 1))
    (set -e; "$@") >"$work/log" 2>&1
    status=$?
    if [ $status = 0 ]; then
        echo "ok $count - $text"
        return
    fi
    echo "not ok $count - $text"
    tail -n 20 "$work/log" | sed 's/^/#   /'
    echo "#   exit status $status"
    failed=$((failed + 1))
}

# ---- What is typed ------------------------------------------------------------------------------

# The lines that README indents by four blanks; blocks of C are between ``` and begin elsewhere.
typed() { awk '/^```/ {code = !code} !code && /^    [^ ]/ {print substr($0, 5)}' README.md; }

program()
{
    mkdir "$work/program"
    awk '/^```/ {code = !code && /c$/; next} code' README.md >"$work/program/program.c"
    cp normalize.h "$work/program"
    cd "$work/program"
    eval "$(cd "$tree" && typed | grep -- ' program\.c ')"
    # both rows as the program's last comment has them
    want=$(sed -n 's,.*/\* both rows: \(.*\) \*/,\1 ,p' program.c)
    ./a.out | awk -v OFS=' ' '{$1 = $1; printf "%s ", $0}' | grep -Fx -- "$want$want" >/dev/null
}

# The pictures to be given are the ones it draws.
style()
{
    cd "$tree"
    line=$(typed | grep 03_style)
    eval "$line"
    ./a.out drawn.png
    cp drawn.png content.png
    cp drawn.png style.png
    eval "$(typed | grep '^\./a\.out ')"
    [ -s out.png ]
}

everything_is_known()
{
    ! typed | grep -v -e ' program\.c ' -e 03_style -e '^\./a\.out ' -e '^make '
}

# ---- make ---------------------------------------------------------------------------------------

# The words to run instead of a target that takes minutes. Of which-norm the program is built here,
# and make test runs it.
short()
{
    case $1 in
    demo | shared | accuracy) echo "$1" ;;
    deps) echo "-n deps" ;; # make deps-all, in .ci/run, installs them
    install) echo "install PREFIX=$work/prefix" ;;
    which-norm) echo build/examples/which_norm/which_norm ;;
    search) echo "search SECONDS=2" ;;
    size) echo "size BUILDS=-O0" ;;
    bench) echo "bench BENCH_ARGS=--benchmark_filter=^batch/.*/2x32x8x8/f32/avx2/1t$" ;;
    fuzz-yours) echo "fuzz-yours YOURS=examples/fuzz_yours/right.c SECONDS=2" ;;
    time) echo "time CASE=batch/train/2x32x8x8" ;;
    bench-peers) echo "bench-peers" ;; # with some words, below
    *) return 1 ;;
    esac
}

made() # TARGET
{
    local arguments=()
    cd "$tree"
    [ "$1" != bench-peers ] || arguments=("ARGS=--only 2x32x8x8 --set usual --seconds 0.01")
    # shellcheck disable=SC2046
    make -s $(short "$1") "${arguments[@]}"
}

targets=$({ grep -o '`make [a-z -]*`' README.md | tr -d '`'; typed | grep '^make '; } |
    cut -d' ' -f2- | tr ' ' '\n' | sort -u)
in_ci=$(sed -n '/^[a-z]*=("/,/)$/p' .ci/run | grep -o '"[^"]*"' | tr -d '"' | tr ' ' '\n')

check 'the program of the first screen compiles and prints what its comment says' program
if command -v libpng-config >/dev/null; then
    check 'the style example takes pictures' style
else
    count=$((count + 1))
    echo "ok $count # SKIP no libpng-config"
fi
check 'no other line is indented as a command' everything_is_known
for target in $targets; do
    if grep -qx -- "$target" <<<"$in_ci"; then
        continue
    elif short "$target" >/dev/null; then
        check "make $target" made "$target"
    else
        check "make $target: neither in .ci/run nor here" false
    fi
done

echo "1..$count"
[ $failed = 0 ] || echo "# failed $failed of $count"
[ $failed = 0 ]
