#!/usr/bin/env bash
# Does bench/time answer: right cases with a table and a verdict, wrong ones with what is wrong?
#
#   bench/time.sh build/bench/time
set -uo pipefail
program=$1 count=0 failed=0

report() # STATUS TITLE OUTPUT
{
    count=$((count + 1))
    if [ "$1" = 0 ]; then
        echo "ok $count - $2"
    else
        failed=$((failed + 1))
        echo "not ok $count - $2"
        sed 's/^/# /' <<<"$3"
    fi
}

answers() # CASE WORDS-OF-THE-ANSWER...
{
    local case=$1 out word status=0
    shift
    out=$("$program" "$case" 2>&1) || status=1
    for word in "$@"; do grep -q -- "$word" <<<"$out" || status=1; done
    report $status "$case" "$out"
}

refuses() # CASE WHY
{
    local out code=0 status=0
    out=$("$program" "$1" 2>&1) || code=$?
    [ $code = 2 ] && grep -qF -- "time: $2" <<<"$out" || status=1
    [ "$(grep -c 'make time CASE=' <<<"$out")" = 2 ] || status=1
    report $status "'$1': $2" "$out"
}

both='^NCHW or NHWC:\|is the faster layout'
answers 'batch train 2x32x8x8' '^NCHW  normalize.h' '^NHWC  normalize.h' 'plain loops' "$both"
answers 'Instance/Backward/2x16x20x20/relu,residual' 'loops of their own' "$both"
answers 'batch infer 4x16x9x9 nhwc f64' '^NHWC  normalize.h' 'float alone'
answers 'group backward 2x64x8x8 groups=8 off=4' 'groups=8' 'off=4' "$both"
answers 'rms forward nhwc 16x64x8x1 pitch=768 inplace' '^NHWC  normalize.h' 'plain loops' 'In place'
answers 'layer forward 16x96 residual scalar' 'scalar, 1 thread' '^rows  normalize.h'
answers 'layer forward 16x768 threads=2' '^rows  normalize.h' '2 threads'
answers 'rms backward 4x1024 bf16' '^rows  normalize.h' 'bf16'

refuses '' 'no norm is said'
refuses 'batch trian 8x96x28x28' 'trian: not a word of a case'
refuses 'batch 8x96' 'no pass is said'
refuses 'batch train' 'no shape is said'
refuses 'batch layer train 8x8' 'layer: one norm at a time'
refuses 'batch train 8x96x28' '8x96x28: a shape has two sizes'
refuses 'batch train 8xx9' '8xx9: a shape is NxC or NxCxHxW'
refuses 'batch train 0x9' '0x9: a shape is NxC or NxCxHxW'
refuses 'layer infer 8x96' 'infer: running statistics are batch and instance norm'
refuses 'group forward 2x64x8x8 groups=5' 'groups=5 does not divide 64 channels'
refuses 'rms forward 1x4096 threads=0' 'threads=0: 1 to 256'
refuses 'rms forward 16x64x8x1 pitch=100' 'pitch=100: a sample has 512 elements'
refuses 'rms backward 16x64 inplace' 'inplace: in a forward'
refuses 'rms forward 16x64 wasm' 'WASM SIMD128: not an instruction set of this machine'
refuses 'rms forward 1048576x1048576' 'a tensor of more than 2^30 values'

echo "1..$count"
[ $failed = 0 ]
