#!/bin/bash -eu
# The fuzz targets of fuzz/targets.h, with their inputs, as OSS-Fuzz has them built: by CC, CXX,
# CFLAGS, CXXFLAGS and LIB_FUZZING_ENGINE, from SRC, in WORK, into OUT. fuzz/oss_fuzz_test.sh runs
# it with the same variables.
cd "$SRC/normalize"

# Small problems are cut up among threads as well. The library is compiled once.
flags="$CFLAGS -std=gnu99 -DNRM_POOL_MIN=1"
$CC $flags -DNORMALIZE_IMPLEMENTATION -x c -c normalize.h -o "$WORK/normalize.o"

for target in problems calls halves; do
    $CC $flags -DTARGET="\"$target\"" -c fuzz/fuzz.c -o "$WORK/$target.o"
    $CXX $CXXFLAGS $LIB_FUZZING_ENGINE -pthread "$WORK/$target.o" "$WORK/normalize.o" -lm \
        -o "$OUT/$target"
    find fuzz/corpus/$target fuzz/found/$target -type f 2>/dev/null |
        zip -q -j -@ "$OUT/${target}_seed_corpus.zip"
    printf '[libfuzzer]\nmax_len = 400\n' >"$OUT/$target.options"
done
