#!/usr/bin/env bash
# The table of fuzz/README.md: what fuzz-yours says of examples/fuzz_yours, as Markdown. Libraries
# that are not here are left out, and named. They are found as make bench-peers finds them: oneDNN
# and PyTorch in build/peers (make deps-peers) or as Debian's, all four by DNNL_DIR, TORCH_DIR,
# ORT_DIR and GGML_DIR, which hold include/ and lib/.
#
#   fuzz/peers.sh [SECONDS]        of each: 20
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-20}
names=() folders=() missing=

try()  # NAME FILE FLAGS
{
    local out=build/yours/${2%.*}
    echo "# $1: $seconds s" >&2
    YOURS_OUT=$out YOURS_FLAGS=$3 fuzz/yours.sh "examples/fuzz_yours/$2" "$seconds" \
        >build/yours/peers.log 2>&1
    if [ $? = 2 ]; then
        tail -n 3 build/yours/peers.log >&2
        missing+="# SKIP $1: it does not compile here"$'\n'
        return
    fi
    names+=("$1") folders+=("$out/rows.txt")
}

has() # HEADER FLAGS
{
    # shellcheck disable=SC2086
    echo "#include <$1>" | ${CXX:-c++} $2 -x c++ -fsyntax-only - 2>/dev/null
}

mkdir -p build/yours
try naive.c naive.c ''
try welford.c welford.c ''
try right.c right.c ''
try 'normalize.h' ours.c ''

below() # DIR: flags of a library that is there
{
    [ -z "$1" ] || echo "-I$1/include -L$1/lib -Wl,-rpath,$1/lib"
}

peer() # NAME FILE HEADER FLAGS
{
    if has "$3" "$4"; then
        try "$1" "$2" "$4"
    else
        missing+="# SKIP $1: no $3"$'\n'
    fi
}

peers=build/peers
if [ -z "${DNNL_DIR:-}" ] && [ -d $peers/include/oneapi ]; then DNNL_DIR=$PWD/$peers; fi
if [ -z "${TORCH_DIR:-}" ] && [ -x $peers/bin/python3 ]; then
    TORCH_DIR=$($peers/bin/python3 -c \
        'import importlib.util as u; print(u.find_spec("torch").origin[:-12])' 2>/dev/null)
fi
peer oneDNN onednn.c oneapi/dnnl/dnnl.h "$(below "${DNNL_DIR:-}") -ldnnl"
peer PyTorch torch.cpp torch/version.h "-std=c++17 $(below "${TORCH_DIR:-}") \
-I${TORCH_DIR:-/usr}/include/torch/csrc/api/include -ltorch -ltorch_cpu -lc10"
peer 'ONNX Runtime' onnxruntime.c onnxruntime_c_api.h "$(below "${ORT_DIR:-}") -lonnxruntime"
peer ggml ggml.c ggml-cpu.h "$(below "${GGML_DIR:-}") -lggml-cpu -lggml-base"

echo '| function | kind, verb | ordinary | worst | broken by | relations that do not hold |'
echo '|---|---|---:|---:|---|---|'
for i in "${!names[@]}"; do
    awk -F'\t' -v name="${names[$i]}" '
        function most(a, b) { return a + 0 > b + 0 ? a : b }
        {
            gsub(/ $/, "", $6)
            gsub(/ /, ", ", $6)
            if (length($5) > 40) $5 = substr($5, 1, 38) ".."
            gsub(/\*/, "\\*", $5)
            row[NR] = "| " name " | " $1 ", " $2 " | " $3 " | " $4 " | " $5 " | " $6 " |"
            ordinary = most(ordinary, $3)
            worst = most(worst, $4)
            broken += $5 != "" || $6 != ""
        }
        END {
            if (!broken && NR > 1) # one line for all of them
                print "| " name " | all " NR " | " ordinary " | " worst " | | |"
            for (i = 1; (broken || NR == 1) && i <= NR; ++i) print row[i]
        }' "${folders[$i]}"
done
printf '%s' "$missing" >&2
