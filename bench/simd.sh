#!/usr/bin/env bash
# NEON and WASM SIMD128 against scalar code of the same program, as TAP: each call of bench/simd.c
# is to be at least twice as fast. WASM by time, in node, which is to optimize it before it runs;
# NEON by instructions, which bench/simd_count.c counts under qemu-user: an emulator's time says
# nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
out=build/bench
least=2
count=0 failed=0
mkdir -p $out

skip()
{
    count=$((count + 1))
    if [ "${STRICT:-0}" != 0 ]; then
        echo "not ok $count - STRICT forbids to skip: $1"
        failed=1
    else
        echo "ok $count # SKIP $1"
    fi
}

# The tools that are not here.
lacking()
{
    local tool
    for tool; do command -v "$tool" >/dev/null || echo -n " $tool"; done
}

# Lines of a number, then a name and an instruction set; of several numbers the last one counts.
compare() # unit
{
    awk -v unit="$1" -v least=$least -v n=$count '
        NF == 1 { number = $1; next }
        $2 == "scalar" { scalar[$1] = number; next }
        {
            ratio = scalar[$1] / number
            printf "%s %d - %s: %d %s, scalar %d, %.1f times\n", ratio < least ? "not ok" : "ok",
                ++n, $0, number, unit, scalar[$1], ratio
        }' >$out/simd.tap
    cat $out/simd.tap
    count=$((count + $(wc -l <$out/simd.tap)))
    ! grep -q '^not ok' $out/simd.tap || failed=1
}

neon()
{
    aarch64-linux-gnu-gcc -std=gnu99 -O2 -static -DCOUNTED bench/simd.c -o $out/simd_neon -lm &&
        gcc -O2 -shared -fPIC bench/simd_count.c -o $out/simd_count.so &&
        qemu-aarch64 -plugin $out/simd_count.so $out/simd_neon >$out/simd.txt &&
        grep -q NEON $out/simd.txt
}

# clang makes vectors of the scalar loop over places, which is as fast then; here it is scalar.
wasm()
{
    clang-16 --target=wasm32-wasi -std=gnu99 -O2 -msimd128 -fno-vectorize -fno-slp-vectorize \
        bench/simd.c -o $out/simd.wasm &&
        node --no-liftoff --experimental-wasi-unstable-preview1 tests/cross/wasi.mjs \
            $out/simd.wasm >$out/simd.txt &&
        grep -q WASM $out/simd.txt
}

run() # function unit tools...
{
    local what=$1 unit=$2 no
    shift 2
    no=$(lacking "$@")
    if [ -n "$no" ]; then
        skip "$what: no$no (make deps-cross)"
    elif $what >&2; then
        compare "$unit" <$out/simd.txt
    else
        count=$((count + 1)) failed=1
        echo "not ok $count - $what: does not build and run"
    fi
}

run neon instructions aarch64-linux-gnu-gcc gcc qemu-aarch64
run wasm ns clang-16 node
echo "1..$count"
exit $failed
