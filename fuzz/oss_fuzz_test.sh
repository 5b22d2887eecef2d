#!/usr/bin/env bash
# Runs packaging/oss-fuzz/build.sh with the variables that OSS-Fuzz sets, and what it built on the
# inputs that it packed, as TAP. SKIP without clang's libFuzzer or zip; with STRICT=1 that fails.
#
#   fuzz/oss_fuzz_test.sh            without a sanitizer, and in scalar code: 20 s of compiling
#   SANITIZER=address ...            as there: address, undefined or memory; minutes
set -uo pipefail
cd "$(dirname "$0")/.."

top=$PWD
export SRC=$top/build/oss-fuzz/src OUT=$top/build/oss-fuzz/out WORK=$top/build/oss-fuzz/work
export FUZZING_ENGINE=libfuzzer LIB_FUZZING_ENGINE=-fsanitize=fuzzer FUZZING_LANGUAGE=c
export ARCHITECTURE=x86_64 CC=clang CXX=clang++ SANITIZER=${SANITIZER:-none}
rm -rf build/oss-fuzz
mkdir -p "$SRC" "$OUT" "$WORK"
ln -s "$top" "$SRC/normalize"

lacking=
for tool in clang clang++ zip unzip; do command -v $tool >/dev/null || lacking+=" $tool"; done
[ -n "$lacking" ] ||
    echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n < 0; }' |
    clang -fsanitize=fuzzer -x c - -o build/oss-fuzz/probe 2>/dev/null || lacking+=' libFuzzer'
if [ -n "$lacking" ]; then
    if [ "${STRICT:-0}" = 0 ]; then
        echo "ok 1 # SKIP no$lacking (make deps-fuzz)"
    else
        echo "not ok 1 - STRICT forbids to skip: no$lacking (make deps-fuzz)"
    fi
    echo 1..1
    [ "${STRICT:-0}" = 0 ]
    exit
fi

# As infra/base-images/base-builder has them.
case $SANITIZER in
none) extra=-DNRM_NO_SIMD ;;
address) extra='-fsanitize=address -fsanitize-address-use-after-scope' ;;
undefined) extra='-fsanitize=undefined -fno-sanitize-recover=undefined' ;;
memory) extra='-fsanitize=memory -fsanitize-memory-track-origins' ;;
esac
export CFLAGS="-O1 -fno-omit-frame-pointer -gline-tables-only
    -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION $extra -fsanitize=fuzzer-no-link"
CFLAGS=$(echo $CFLAGS)
export CXXFLAGS=$CFLAGS

count=0 failed=0
check() # TEXT COMMAND...
{
    local text=$1
    shift
    count=$((count + 1))
    if "$@" >build/oss-fuzz/log 2>&1; then
        echo "ok $count - $text"
    else
        echo "not ok $count - $text"
        tail -n 20 build/oss-fuzz/log | sed 's/^/#   /'
        failed=$((failed + 1))
    fi
}

# All inputs that were packed, and a few more.
run()
{
    local inputs=build/oss-fuzz/inputs-$1
    mkdir -p "$inputs"
    unzip -q -o "$OUT/$1_seed_corpus.zip" -d "$inputs" && [ -n "$(ls "$inputs")" ] &&
        "$OUT/$1" -runs=2000 -seed=1 -max_len=400 -artifact_prefix=build/oss-fuzz/ "$inputs"
}

check 'build.sh' bash -eu packaging/oss-fuzz/build.sh
for target in $(sed -n 's/^.*{"\([a-z]*\)", target_.*/\1/p' fuzz/targets.h); do
    check "$target runs its inputs" run "$target"
done
check 'OUT has a target, options and inputs for each of fuzz/targets.h' \
    test "$(ls "$OUT" | wc -l)" = $((3 * (count - 1)))
echo "1..$count"
[ $failed = 0 ]
