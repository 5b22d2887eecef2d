#!/usr/bin/env bash
# What fuzz/yours.sh has to find, and to let pass, as TAP: the examples of a wrong and a right
# function, everything that yours_broken.c breaks, and what it says when it cannot run.
set -uo pipefail
cd "$(dirname "$0")/.."

export YOURS_OUT=build/yours/test
unset YOURS_FLAGS LIMIT SEED ENGINE PROBLEMS BROKEN
mkdir -p $YOURS_OUT
count=0 failed=0

# Runs yours.sh: it exits with STATUS, and each WANTED is part of a line it prints.
expect()  # TEXT STATUS WANTED... -- ARGUMENT...
{
    local text=$1 status=$2 got wanted=() wrong= word
    shift 2
    while [ "$1" != -- ]; do wanted+=("$1") && shift; done
    shift
    fuzz/yours.sh "$@" >$YOURS_OUT/log 2>&1
    got=$?
    [ $got = "$status" ] || wrong="exit status $got, not $status"
    for word in "${wanted[@]}"; do
        grep -qF -- "$word" $YOURS_OUT/log || wrong+=" not said: $word"
    done
    tell "$text" "$wrong"
}

tell()  # TEXT WRONG
{
    count=$((count + 1))
    if [ -z "$2" ]; then
        echo "ok $count - $1"
        return
    fi
    echo "not ok $count - $1"
    echo "#   $2"
    head -n 40 $YOURS_OUT/log | sed 's/^/#   /'
    failed=$((failed + 1))
}

broken()  # WHAT STATUS WANTED...
{
    local what=$1 status=$2
    shift 2
    BROKEN=$what ENGINE=loop PROBLEMS=4000 expect "broken: $what" "$status" "$@" -- \
        fuzz/yours_broken.c
}

examples=examples/fuzz_yours

# ---- what it says when it cannot run -------------------------------------------------------------

expect 'no function' 2 'no YOURS' 'int yours(' -- ''
expect 'no file' 2 'there is no file nowhere.c' -- nowhere.c
expect 'no number' 2 'SECONDS is a number, not soon' -- $examples/naive.c soon
echo 'int yours(int a { return 0; }' >$YOURS_OUT/syntax.c
expect 'does not compile' 2 'syntax.c does not compile' 'error:' -- $YOURS_OUT/syntax.c
echo '#include "normalize.h"' >$YOURS_OUT/without.c
expect 'defines nothing' 2 'without.c does not' yours -- $YOURS_OUT/without.c

# ---- wrong and right -----------------------------------------------------------------------------

expect 'naive.c is wrong' 1 'after 0.' 'above 1 unit' 'a.x = x' -- $examples/naive.c 0.6
ENGINE=loop expect 'naive.c is wrong, by the plain loop' 1 'above 1 unit' -- $examples/naive.c 0.6
expect 'welford.c is wrong' 1 'above 1 unit' -- $examples/welford.c 0.6
expect 'right.c is right' 0 'within 1 unit' 'rms      backward' ' all 6' -- $examples/right.c 3
ENGINE=loop PROBLEMS=20000 expect 'right.c is right, by the plain loop' 0 'within 1 unit' \
    'right.c: 20,000 problems' -- $examples/right.c
LIMIT=0.01 expect 'right.c, with a limit that it does not keep' 1 'above 0.01 units' -- \
    $examples/right.c 0.3

# With every type and option nothing is said that is not so.
YOURS_FLAGS='-DOURS_LINKED build/gcc/inside.o' ENGINE=loop PROBLEMS=12000 expect \
    'normalize.h itself' 0 'within 1 unit' 'layer    backward' 'f16, NCHW' 'all 7' -- \
    $examples/ours.c

# The program that it leaves prints the value that is wrong, and C++ may be fuzzed.
(printf 'extern "C" {\n' && cat $examples/naive.c && echo '}') >$YOURS_OUT/naive.cpp
expect 'C++' 1 'above 1 unit' -- $YOURS_OUT/naive.cpp 0.3
see=$(sed -n 's/^ *to see it: \(.*\) && .*/\1/p' $YOURS_OUT/log)
$see -o $YOURS_OUT/worst >$YOURS_OUT/log 2>&1 && $YOURS_OUT/worst >$YOURS_OUT/log 2>&1
grep -qE '^y\[[0-9]+\] is .*, expected ' $YOURS_OUT/log && ! grep -q warning $YOURS_OUT/log
tell 'worst.c compiles, and prints it' "$([ $? = 0 ] || echo wrong)"

# ---- what is broken is found, and only that ------------------------------------------------------

broken none 0 'within 1 unit'
broken bits 1 'above 1 unit'
broken outside 1 'right after the end of'
broken before 1 '4 bytes before'
broken input 1 'which is only read'
broken alignment 0 'not alignment'
broken again 0 'again: the same call again gives other bits'
broken permuted 0 'not permuted'
broken joined 0 'joined: a sample alone'
broken place 0 'not in place'
broken threads 0 'not threads'
broken option 1 'returns 0 for, but gets wrong: residual'
broken statistics 1 'returns 0 for, but gets wrong: mean'
broken value 2 'returned 7'
YOURS_FLAGS=-fsanitize=address broken reads 1 AddressSanitizer
BROKEN=reads YOURS_FLAGS=-fsanitize=address expect 'broken: reads, by libFuzzer' 1 \
    AddressSanitizer -- fuzz/yours_broken.c 1
broken nothing 2 'does nothing'
broken crash 1 'Segmentation fault' 'c 5'

echo "1..$count"
[ $failed = 0 ]
