#!/usr/bin/env bash
# What tools say that read the code without running it, as TAP: clang-tidy, cppcheck and gcc's
# -fanalyzer. The header is read as a program that holds the implementation; tests and examples see
# its declarations only.
#
#   tools/analyze.sh            all of it, JOBS at a time
#   tools/analyze.sh TEXT       only what holds TEXT in its name, such as cppcheck
#
# No warning is let pass. What is wrong in general is switched off below or in .clang-tidy, with the
# reason; what is wrong in one line is listed in tools/analyze.txt.
set -euo pipefail
cd "$(dirname "$0")/.."

only=${1:-}
out=build/analyze
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
mkdir -p $out
rm -rf $out/*
printf '#define NORMALIZE_IMPLEMENTATION\n#include "normalize.h"\n' >$out/implementation.c

# One instruction set of two kernel texts is enough to read them: -DNRM_NO_AVX512. Without __SSE2__
# cppcheck, which knows no intrinsics, reads the scalar code. What NRM_ASSERT says, to which
# check-include holds a run of the code, clang-tidy may take as given.
clang_tidy_header()
{
    clang-tidy --quiet --extra-arg=-Xclang --extra-arg=-analyzer-opt-analyze-headers \
        $out/implementation.c -- -std=c99 -O1 -I. -DNRM_NO_AVX512 \
        '-DNRM_ASSERT(c)=((c)?(void)0:__builtin_trap())'
}

# Of a file that holds the implementation, which is read by itself, a copy without that line.
declared()
{
    case $1 in
    tests/test_*) echo "$1" ;;
    *)
        mkdir -p "$out/$(dirname "$1")"
        sed 's/^#define NORMALIZE_IMPLEMENTATION$//' "$1" >"$out/$1"
        echo "$out/$1"
        ;;
    esac
}

# Of tests and examples 40,000 states of a function, where clang's own limit is 225,000: all that
# was found there is found, in a quarter of the time. In the header the limit is clang's.
clang_tidy()
{
    clang-tidy --quiet --extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang \
        --extra-arg=max-nodes=40000 "$(declared "$1")" -- \
        -std=gnu99 -I"$(dirname "$1")" -I. -fopenmp
}

# missingIncludeSystem: system headers are not read. unusedFunction: a library.
cppcheck_flags="--quiet --std=c99 --error-exitcode=1 --inline-suppr --suppress=missingIncludeSystem
    --enable=warning,performance,portability --template=gcc"

cppcheck_header()
{
    # shellcheck disable=SC2086
    cppcheck $cppcheck_flags -I. -DNRM_NO_SIMD -UNRM_HEADER_FILENAME -U_MSC_VER -U__cplusplus \
        $out/implementation.c
}

cppcheck_file()
{
    # shellcheck disable=SC2086
    cppcheck $cppcheck_flags -I"$(dirname "$1")" -I. -D__GNUC__=12 -D__x86_64__ "$(declared "$1")"
}

# gcc 12 takes four minutes for the paths of 0 pointers that it then finds impossible, and one for
# all the rest; clang-tidy, which does not give up early, looks for them as well.
analyzer_header()
{
    gcc -std=c99 -O1 -fanalyzer -Wno-analyzer-null-dereference -Werror -DNRM_NO_SIMD -I. \
        -c $out/implementation.c -o $out/implementation.o
}

# gcc 12 loses sight of structures that functions return, such as a generator just seeded; the
# memory sanitizer of check-san does not.
analyzer()
{
    gcc -std=gnu99 -O1 -fanalyzer -Wno-analyzer-use-of-uninitialized-value -Werror -fopenmp \
        -I"$(dirname "$1")" -I. -c "$(declared "$1")" -o "$2.o"
}

# ---- Jobs, side by side, reported in order ------------------------------------------------------

count=0
texts=()
warning=':[0-9]+:[0-9]+: (fatal )?(error|warning|style|performance|portability): '
job() # TOOL TEXT COMMAND...
{
    local tool=$1 text=$2
    shift 2
    [[ $text == *"$only"* ]] || return 0
    local id=$((++count))
    texts[id]=$text
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
    (
        set +e
        status=77
        if command -v "$tool" >/dev/null; then
            (set -e; "$@") >$out/$id.log 2>&1
            status=$?
            # The tool fails for any warning; what counts is whether one is left.
            if grep -qE "$warning" $out/$id.log; then
                perl tools/analyze.pl $out/$id.log >$out/$id.left
                status=$?
            fi
        fi
        echo $status >$out/$id.status
    ) &
}

job clang-tidy "clang-tidy normalize.h" clang_tidy_header
job gcc "gcc -fanalyzer normalize.h" analyzer_header
job cppcheck "cppcheck normalize.h" cppcheck_header
for file in tests/test_*.c tests/include/twice.c examples/0[1-79]*.c \
    examples/1*.c examples/demo.c examples/which_norm/which_norm.c; do
    name=$(basename "$file" .c)
    job clang-tidy "clang-tidy $file" clang_tidy "$file"
    job gcc "gcc -fanalyzer $file" analyzer "$file" "$out/$name"
    job cppcheck "cppcheck $file" cppcheck_file "$file"
done
wait

failed=0
for ((id = 1; id <= count; id++)); do
    status=$(cat $out/$id.status 2>/dev/null || echo none)
    if [ "$status" = 0 ]; then
        echo "ok $id - ${texts[id]}"
    elif [ "$status" = 77 ] && [ "${STRICT:-0}" = 0 ]; then
        echo "ok $id # SKIP ${texts[id]}: no such tool here (make deps-check)"
    else
        echo "not ok $id - ${texts[id]}"
        cat $out/$id.left $out/$id.log 2>/dev/null | sed -n '1,20s/^/#   /p'
        echo "#   exit status $status, $out/$id.log"
        failed=$((failed + 1))
    fi
done
if [ -z "$only" ] && [ "$(cat $out/*.status | sort -u | grep -c 77)" = 0 ]; then
    count=$((count + 1))
    if perl tools/analyze.pl --unused $out/*.log >$out/unused; then
        echo "ok $count - tools/analyze.txt lists what is said"
    else
        echo "not ok $count - tools/analyze.txt lists what is said"
        sed "s/^/#   /" $out/unused
        failed=$((failed + 1))
    fi
fi
echo "1..$count"
[ $failed = 0 ] || echo "# failed $failed of $count"
[ $failed = 0 ]
