#!/usr/bin/env bash
# Fuzzes a norm that is not ours: fuzz/yours.c says what it is, and how it is tried.
#
#   fuzz/yours.sh FILE [SECONDS]        60 seconds otherwise
#   YOURS_FLAGS='-O3 -lmine'            for compiling and linking it
#   LIMIT=1 SEED=1                      the error that fails, in units of the published bound; draws
#   ENGINE=loop                         the loop of fuzz/yours.c, also where clang has libFuzzer
#   PROBLEMS=1000                       so many instead of the seconds: with ENGINE=loop all is the
#                                       same every time
#   YOURS_OUT=build/yours               where it is compiled and the worst input is left
#   CC=... CXX=...                      the compilers of FILE; C++ by its suffix
#
# Exits with 1 when an error is above the limit (or NaN where a number is right), or something is
# written outside of an output; with 2 when it could not run; else with 0.
set -uo pipefail
cd "$(dirname "$0")/.."

could_not()
{
    echo "fuzz-yours: $*"
    exit 2
}

file=${1:-} seconds=${2:-60}
[ -n "$file" ] || could_not "no YOURS: make fuzz-yours YOURS=mine.c, which defines
int yours(nrm_verb verb, const nrm_desc *d, const nrm_args *a); see examples/fuzz_yours/naive.c"
[ -f "$file" ] || could_not "there is no file $file"
[[ $seconds =~ ^[0-9]+(\.[0-9]+)?$ ]] || could_not "SECONDS is a number, not $seconds"
[[ ${LIMIT:-1} =~ ^[0-9.]+(e[-+]?[0-9]+)?$ ]] || could_not "LIMIT is a number, not $LIMIT"

export YOURS_OUT=${YOURS_OUT:-build/yours}
out=$YOURS_OUT
mkdir -p "$out"

# libFuzzer is a library of clang's, of a package of its own.
engine=${ENGINE:-libfuzzer}
if [ "$engine" = libfuzzer ]; then
    echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n < 0; }' |
        clang -fsanitize=fuzzer -x c - -o "$out"/probe 2>/dev/null || engine=loop
fi

case $file in
*.cc | *.cpp | *.cxx | *.C) language=c++ compiler=${CXX:-c++} linker=${CXX:-c++} ;;
*) language=c compiler=${CC:-cc} linker=${CC:-cc} ;;
esac
counted=
if [ "$engine" = libfuzzer ]; then # its branches are counted
    compiler=clang linker=clang counted='-fsanitize=fuzzer-no-link -Qunused-arguments'
    [ $language = c ] || compiler=clang++ linker=clang++
fi

# What only the linker takes does not belong in front of a compiler, nor the other way round.
read -ra flags <<<"${YOURS_FLAGS:-}"
driver=build/yours/$engine.o
case ${YOURS_FLAGS:-} in # with reads outside of buffers shown as well
*-fsanitize=*address*) driver=build/yours/$engine-address.o ;;
esac
make -s $driver || could_not "fuzz/yours.c does not compile"
echo "$compiler${flags[*]:+ ${flags[*]}} $file"
# shellcheck disable=SC2086
"$compiler" -O2 -g1 $counted -I. "-DYOURS=\"$(realpath "$file")\"" "${flags[@]}" -x $language \
    -c fuzz/call_yours.c -o "$out"/mine.o 2>"$out"/mine.log || {
    head -n 20 "$out"/mine.log
    could_not "$file does not compile"
}
grep -q . "$out"/mine.log && head -n 20 "$out"/mine.log
# shellcheck disable=SC2086
"$linker" ${counted:+-fsanitize=fuzzer} -pthread -o "$out"/fuzz $driver \
    "$out"/mine.o "${flags[@]}" -lm 2>"$out"/mine.log || {
    head -n 20 "$out"/mine.log
    could_not "$file does not link"
}

export YOURS_PROBLEMS=${PROBLEMS:-0}
length="$seconds s"
[ "$YOURS_PROBLEMS" = 0 ] || length="$YOURS_PROBLEMS problems"
export YOURS_NAME=$file YOURS_SECONDS=$seconds YOURS_SEED=${SEED:-1} YOURS_LIMIT=${LIMIT:-1}
if [ "$engine" = loop ]; then
    echo "fuzzing for $length with the loop of fuzz/yours.c, seed $YOURS_SEED"
    "$out"/fuzz
    status=$?
else
    echo "fuzzing for $length with libFuzzer, seed $YOURS_SEED"
    rm -rf "$out"/inputs
    mkdir -p "$out"/inputs
    "$out"/fuzz -seed="$YOURS_SEED" -max_len=400 -len_control=0 -handle_segv=0 -handle_bus=0 \
        -handle_abrt=0 -handle_ill=0 -handle_fpe=0 -timeout=0 -rss_limit_mb=0 \
        -artifact_prefix="$out/" "$out/inputs" 2>"$out"/libfuzzer.log
    status=$?
fi
# What sanitizers say, if it was compiled with any.
[ "$engine" = loop ] || grep -aE -m 1 -A 8 'ERROR: |runtime error: ' "$out"/libfuzzer.log
case $status in
0 | 1 | 2) exit $status ;;
*)
    echo "fuzz-yours: the program ended with status $status"
    exit 1
    ;;
esac
