#!/usr/bin/env bash
# Fuzzes for a while, and says what came of it as TAP.
#
#   fuzz/run.sh libfuzzer SECONDS TARGET...    most of the time goes to the first target; JOBS=2 at
#                                              a time
#   fuzz/run.sh afl SECONDS TARGET...
#   SEED=1                                     libFuzzer: the same inputs again; 0: others each time
#   fuzz/run.sh merge TARGET...                what build/ holds of new inputs, into fuzz/corpus
#
# Inputs that fail are left in build/fuzz or build/afl, with how to read them.
set -uo pipefail
cd "$(dirname "$0")/.."

# A long quarantine of freed memory costs more than it finds, and so do deep stacks.
export ASAN_OPTIONS=quarantine_size_mb=8:malloc_context_size=5:${ASAN_OPTIONS:-}

number=0

# At once: what goes to the output waits for the end of the test.
say()
{
    echo "# $*" >&2
}

tell()  # tell ok|'not ok' TEXT
{
    number=$((number + 1))
    echo "$1 $number - $2"
}

end()
{
    echo "1..$number"
    exit "${1:-0}"
}

skip()
{
    if [ "${STRICT:-0}" = 0 ]; then
        number=1
        echo "ok 1 # SKIP $1"
        end
    fi
    tell 'not ok' "STRICT forbids to skip: $1"
    end 1
}

# libFuzzer is a library of clang's, of a package of its own.
need_libfuzzer()
{
    command -v clang >/dev/null || skip "no clang (make deps-fuzz)"
    mkdir -p build/fuzz
    echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n < 0; }' |
        clang -fsanitize=fuzzer,address,undefined -x c - -o build/fuzz/probe 2>/dev/null ||
        skip "clang has no libFuzzer (make deps-fuzz)"
}

share()  # of the seconds: two thirds for the first target
{
    if [ "$#" = 1 ] || [ "$rest" = "$count" ]; then echo $(((seconds * 2 + 2) / 3)); return; fi
    echo $((seconds / (3 * (count - 1)) + 1))
}

build()
{
    [ -z "$(make -n "$1" | grep -v 'Nothing to be done')" ] ||
        say "compiling first, about a minute on two cores: the library with all that the engine" \
            "counts and checks, then each target"
    make -j"${JOBS:-1}" "$1" >build/fuzz/make.log 2>&1 && return
    sed 's/^/# /' build/fuzz/make.log | tail -n 20
    tell 'not ok' "$1"
    end 1
}

# How to see a finding again: the first that is said of it.
failed()  # TARGET FILE
{
    echo "# $1 failed; again: make build/gcc/replay && build/gcc/replay --print --target $1 $2"
}

fuzz_one()  # TARGET SECONDS
{
    mkdir -p "build/fuzz/new/$1" "fuzz/corpus/$1"
    "build/fuzz/$1" -max_total_time="$2" -entropic=0 -len_control=0 -max_len=400 \
        -seed="${SEED:-0}" -print_final_stats=1 -artifact_prefix="build/fuzz/$1-" \
        "build/fuzz/new/$1" "fuzz/corpus/$1" >"build/fuzz/$1.log" 2>&1
    echo $? >"build/fuzz/$1.status"
}

# JOBS targets at a time, reported in order.
libfuzzer()
{
    need_libfuzzer
    build build-fuzz
    status=0
    say "running libFuzzer, ${JOBS:-1} at a time, new inputs into build/fuzz/new:"
    for target in "$@"; do
        while [ "$(jobs -rp | wc -l)" -ge "${JOBS:-1}" ]; do wait -n; done
        say "  $target for $(share) s"
        fuzz_one "$target" "$(share)" &
        rest=$((rest - 1))
    done
    wait
    for target in "$@"; do
        log=build/fuzz/$target.log
        if [ "$(cat "build/fuzz/$target.status")" = 0 ]; then
            tell ok "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs,$(
                sed -n 's/^stat::average_exec_per_sec: *//p' "$log" | sed 's/^/ /') a second"
        else
            for file in $(sed -n 's/.*Test unit written to //p' "$log"); do
                failed "$target" "$file"
            done
            grep -aE -A 60 'FAILED|ERROR|runtime error' "$log" | head -n 60 | sed 's/^/# /'
            tell 'not ok' "$target"
            status=1
        fi
    done
    end $status
}

afl()
{
    command -v afl-fuzz >/dev/null && command -v afl-clang-fast >/dev/null ||
        skip "no afl-fuzz (make deps-fuzz)"
    mkdir -p build/fuzz
    build build-afl
    status=0
    unset ASAN_OPTIONS # which AFL++ takes for an error
    export AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_AFFINITY=1
    for target in "$@"; do
        out=build/afl/out-$target
        rm -rf "$out" "build/afl/in-$target"
        mkdir -p "build/afl/in-$target"
        echo >"build/afl/in-$target/one"
        ls fuzz/corpus/"$target"/* 2>/dev/null | head -n 40 |
            xargs -r cp -t "build/afl/in-$target"
        say "running AFL++: $target for $(share) s"
        afl-fuzz -V "$(share)" -i "build/afl/in-$target" -o "$out" -- "build/afl/$target" \
            >"build/afl/$target.log" 2>&1 || true
        runs=$(sed -n 's/^execs_done *: *//p' "$out/default/fuzzer_stats" 2>/dev/null)
        crashes=$(find "$out/default/crashes" -name 'id*' 2>/dev/null)
        if [ -n "$runs" ] && [ -z "$crashes" ]; then
            tell ok "$target: $runs runs"
        else
            [ -n "$runs" ] || tail -n 20 "build/afl/$target.log" | sed 's/^/# /'
            for file in $crashes; do failed "$target" "$file"; done
            tell 'not ok' "$target"
            status=1
        fi
        rest=$((rest - 1))
    done
    end $status
}

merge()
{
    need_libfuzzer
    build build-fuzz
    for target in "$@"; do
        rm -rf build/fuzz/merged
        mkdir -p build/fuzz/merged "build/fuzz/new/$target" "build/afl/out-$target/default/queue"
        "build/fuzz/$target" -merge=1 -use_counters=0 build/fuzz/merged "fuzz/corpus/$target" \
            "build/fuzz/new/$target" "build/afl/out-$target/default/queue" \
            >"build/fuzz/merge.log" 2>&1 || tail -n 5 build/fuzz/merge.log
        rm -rf "fuzz/corpus/$target"
        mkdir -p fuzz/corpus
        mv build/fuzz/merged "fuzz/corpus/$target"
        echo "$target: $(ls "fuzz/corpus/$target" | wc -l) inputs"
    done
}

engine=${1:-}
seconds=${2:-60}
case $engine in
libfuzzer | afl)
    shift 2
    count=$# rest=$#
    "$engine" "$@"
    ;;
merge)
    shift
    merge "$@"
    ;;
*)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 1
    ;;
esac
