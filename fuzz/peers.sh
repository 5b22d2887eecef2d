#!/usr/bin/env bash
# The table of fuzz/README.md: what fuzz-yours says of examples/fuzz_yours, as Markdown. Libraries
# that are not here are left out, and named: oneDNN and PyTorch of Debian (make deps-peers), ONNX
# Runtime by ORT_DIR, which holds include/ and lib/.
#
#   fuzz/peers.sh [SECONDS]        of each: 20
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-20}
torch=/usr/include/torch/csrc/api/include
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
if has oneapi/dnnl/dnnl.h ''; then
    try oneDNN onednn.c -ldnnl
else
    missing+='# SKIP oneDNN: no oneapi/dnnl/dnnl.h (make deps-peers)'$'\n'
fi
if has torch/version.h -I$torch; then
    try PyTorch torch.cpp "-std=c++17 -I$torch -ltorch -ltorch_cpu -lc10"
else
    missing+='# SKIP PyTorch: no torch/version.h (make deps-peers)'$'\n'
fi
if [ -n "${ORT_DIR:-}" ] && has onnxruntime_c_api.h "-I$ORT_DIR/include"; then
    try 'ONNX Runtime' onnxruntime.c \
        "-I$ORT_DIR/include -L$ORT_DIR/lib -Wl,-rpath,$ORT_DIR/lib -lonnxruntime"
else
    missing+='# SKIP ONNX Runtime: ORT_DIR does not lead to include/onnxruntime_c_api.h'$'\n'
fi

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
