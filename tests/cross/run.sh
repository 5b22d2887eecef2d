#!/usr/bin/env bash
# Builds and runs rows of tests/cross/matrix, prints a table of them, and fails if one does.
#
#   tests/cross/run.sh NAME...    the rows of these names and groups, JOBS at a time
#
# What a row builds and what compilers say is in build/cross/ROW, what its tests say in build/tap or
# TAP_DIR, for .ci/run to add up. A row whose tools are not here, or cannot make and run an empty
# program, is skipped; with STRICT=1 it fails. build/gcc/test_random_hashes writes the hashes to
# compare with.
set -uo pipefail
cd "$(dirname "$0")/../.."

out=build/cross
tap_dir=${TAP_DIR:-build/tap}
hashes=$out/hashes.txt
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
export WINEPREFIX=$PWD/$out/wine WINEDEBUG=-all

# ---- The matrix ---------------------------------------------------------------------------------

groups=() names=() builds=() runs=() tests=() bests=()
declare -A short=()

asked_for()
{
    local word
    for word in "${asked[@]}"; do
        [ "$word" != "$1" ] && [ "$word" != "$2" ] || return 0
    done
    return 1
}

trim() { sed 's/^ *//; s/ *$//; s/  */ /g' <<<"$1"; }

# Without -r, read joins a line that ends in a backslash with the next one.
read_matrix()
{
    local group name build run what best
    while IFS='|' read group name build run what best; do
        group=$(trim "$group") name=$(trim "${name:-}")
        if [ "$group" = short ]; then
            short[$name]=$(trim "$build")
        elif [ -n "$name" ] && asked_for "$group" "$name"; then
            groups+=("$group") names+=("$name") builds+=("$(trim "$build")")
            runs+=("$(trim "$run")") tests+=("$(expand "$(trim "$what")")")
            bests+=("$(trim "$best")")
        fi
    done < <(grep -v '^#' tests/cross/matrix)
}

# A build with the names in capitals replaced by what they are short for.
expand()
{
    local text=$1 word full
    while :; do
        full=
        for word in $text; do full="$full ${short[$word]:-$word}"; done
        [ "$full" != " $text" ] || break
        text=${full# }
    done
    echo "$text"
}

# ---- A row, in a process of its own -------------------------------------------------------------

# What the table says of the row, and below it.
finish()
{
    local ran passed
    ran=$(sed -n 's/^# ran //p' "$tap_dir/$tap"_random_hashes.tap 2>/dev/null)
    passed=$(cat "$tap_dir/$tap"_*.tap 2>/dev/null | grep -E '^ok\b' | grep -cv '# SKIP')
    echo "$1|${ran:--}|$passed|$((SECONDS - start))" >"$dir/result.new"
    mv "$dir/result.new" "$dir/result"
    exit
}

# One test made here, where .ci/run adds up those of the programs.
note_test()
{
    printf '%s\n1..1\n' "$1" >"$tap_dir/${tap}_build.tap"
}

fail()
{
    echo "$1" >>"$dir/says"
    note_test "not ok 1 - $name: $1"
    finish FAILED
}

skip()
{
    [ "${STRICT:-0}" = 0 ] || fail "STRICT forbids to skip: $1"
    echo "$1" >>"$dir/says"
    note_test "ok 1 # SKIP $name: $1"
    finish SKIP
}

compiler()
{
    echo "$build $*" >>"$dir/log"
    $build "$@" >"$dir/compiler" 2>&1
    local status=$?
    cat "$dir/compiler" >>"$dir/log"
    # Not about the library: options of the linker, and how many processors link.
    sed -i '/argument unused during compilation/d; /^lto-wrapper: /d' "$dir/compiler"
    return $status
}

first_error()
{
    grep -m 1 -i error "$dir/compiler" || head -n 1 "$dir/compiler"
}

# Runs a program; mingw's compilers add .exe to its name.
machine()
{
    local program=$1
    shift
    [ ! -e "$program.exe" ] || program=$program.exe
    if [ "$run" = - ]; then
        "$program" "$@"
    else
        $run "$program" "$@"
    fi
}

check_tools()
{
    local tool empty=$dir/empty
    for tool in ${build%% *} $([ "$runs_here" = 0 ] || echo "${run%% *}"); do
        [ "$tool" = - ] || command -v "$tool" >/dev/null || skip "no $tool here (make deps-cross)"
    done
    echo 'int main(void) { return 0; }' >"$empty.c"
    compiler $language -c "$empty.c" -o "$empty.o" ||
        skip "cannot compile an empty program: $(first_error)"
    [ "$runs_here" = 1 ] || return
    compiler "$empty.o" -o "$empty" -lm || skip "cannot link an empty program: $(first_error)"
    machine "$empty" >"$dir/compiler" 2>&1 || skip "cannot run an empty program: $(first_error)"
}

# The library as the header $1 has it, into the object $2; make test has some of them.
library()
{
    local made= warnings=
    [ "$1" != tests/support/inside.h ] || warnings="-Wall -Wextra"
    case "$build $1" in
    "gcc -O2 -std=gnu99 normalize.h") made=build/gcc/normalize.o ;;
    "clang -O2 -std=gnu99 normalize.h") made=build/clang/normalize.o ;; # with line tables
    esac
    if [ -n "$made" ] && [ "$made" -nt normalize.h ]; then
        cp "$made" "$2"
        return
    fi
    compiler $warnings -DNORMALIZE_IMPLEMENTATION $language -c "$1" -o "$2"
    local status=$?
    head -n 40 "$dir/compiler" >>"$dir/says"
    return $status
}

# What is asked of a row is the library: its tests are compiled with -O1, in half the time, and
# linked as the row says, which under -Ofast sets flush-to-zero. With -flto both are one program.
build_test()
{
    local source=tests/test_$1.c object=$dir/test_$1.o
    case " $build " in
    *" -flto "*) object=$source ;;
    *) compiler -Wall -Wextra -O1 -c "$source" -o "$object" || return ;;
    esac
    [ ! -s "$dir/compiler" ] || head -n 40 "$dir/compiler" >>"$dir/says"
    compiler -Wall -Wextra "$object" "$dir/normalize.o" -o "$dir/test_$1" -lm
}

# What a row compiles: where a test looks inside, the library with its hooks, once for all tests. Of
# 300 functions of gcc -O2 they change seven, by what they count; kernels are the same code. Where
# AVX-512 is emulated, a copy of the header; in other rows the header itself.
header_of()
{
    local test
    case $1 in
    *EMULATED*)
        tests/cross/emulated/avx512.pl >"$dir/normalize.h" 2>>"$dir/says" ||
            echo '#error "not emulated"' >"$dir/normalize.h"
        echo "$dir/normalize.h"
        return
        ;;
    esac
    [ "$what" = compiled ] || for test in $what; do
        if grep -q support/inside.h "tests/test_${test%%:*}.c"; then
            echo tests/support/inside.h
            return
        fi
    done
    echo normalize.h
}

run_test()
{
    local arguments=${1#*:} test=${1%%:*}
    [ "$arguments" != "$1" ] || arguments=
    local program=$dir/test_$test
    [ ! -e "$program.exe" ] || program=$program.exe
    set -- $arguments
    if [ "$test" = random_hashes ]; then
        set -- "$hashes"
        [ "$best" = - ] || set -- "$hashes" "$best"
    fi
    [ "$run" = - ] || program="$run $program"
    tools/tap.sh --as "cross $name $test" $program "$@" >/dev/null 2>"$dir/test" && return
    grep -vE '^# ( +entered|(ran|paths:|skipped|failed) |.* runs here|[0-9]+ )' "$dir/test" |
        head -n 20 >>"$dir/says"
    return 1
}

# Whether this processor has all of these flags.
has_flags()
{
    local flag flags
    flags=" $(sed -n 's/^flags[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1) "
    for flag; do
        case $flags in *" $flag "*) ;; *) return 1 ;; esac
    done
}

run_row()
{
    local name=${names[$1]} build run what=${tests[$1]} best=${bests[$1]}
    local dir=$out/${names[$1]} tap=cross_${names[$1]//[^A-Za-z0-9]/_}
    local start=$SECONDS language="-x c" runs_here=1 test result=equal
    rm -rf "$dir" "$tap_dir/$tap"_*.tap
    mkdir -p "$dir"
    build=$(expand "${builds[$1]}") run=$(expand "${runs[$1]}")
    case $build in *-std=c++*) language="-x c++" ;; *-std=*) ;; *) build="$build -std=gnu99" ;; esac
    case $run in
    'cpu '*)
        if ! has_flags ${run#cpu }; then
            echo "compiled (-O0), not run: this processor has not all of ${run#cpu }" >>"$dir/says"
            what=compiled build="$build -O0"
        fi
        run=-
        ;;
    esac
    case $what in refused | compiled) runs_here=0 ;; esac
    check_tools
    local status
    if [ "$what" = refused ]; then
        compiler -DNORMALIZE_IMPLEMENTATION $language -c normalize.h -o "$dir/normalize.o"
        status=$?
        [ $status != 0 ] || fail "normalize.h compiles, and should not"
        grep -qF -e "$run" "$dir/compiler" || { cat "$dir/compiler" >>"$dir/says"
            fail "refused, but not by: $run"; }
        note_test "ok 1 - $name: $run"
        finish refused
    fi
    library "$(header_of "${builds[$1]}")" "$dir/normalize.o" || fail "normalize.h does not compile"
    if [ "$what" = compiled ]; then
        note_test "ok 1 - $name: compiles"
        finish compiled
    fi
    for test in $what; do
        build_test "${test%%:*}"
        status=$?
        head -n 40 "$dir/compiler" >>"$dir/says"
        [ $status = 0 ] || fail "test_${test%%:*} does not compile"
    done
    for test in $what; do
        run_test "$test" || result=FAILED
    done
    ! grep -qsE '^not ok .* fail$' "$tap_dir/$tap"_*.tap || result="NOT EQUAL"
    finish "$result"
}

# ---- All of them --------------------------------------------------------------------------------

printed=0
declare -A total=()
all_passed=0

# The rows that are ready, in the order of the matrix.
print_rows()
{
    local i build result ran passed seconds
    while [ $printed -lt ${#names[@]} ] && [ -e "$out/${names[printed]}/result" ]; do
        i=$printed
        printed=$((printed + 1))
        IFS='|' read -r result ran passed seconds <"$out/${names[i]}/result"
        if [ "$i" = 0 ] || [ "${groups[i]}" != "${groups[i - 1]}" ]; then
            printf '%-17s %-37s %-21s %5s %4s %s\n' \
                "${groups[i]}" "compiler and flags" "ran" "tests" "s" "result"
        fi
        build=${builds[i]/--target=/}
        printf '%-17s %-37.37s %-21s %5s %4s %s\n' \
            "${names[i]}" "${build/ -static/}" "$ran" "$passed" "$seconds" "$result"
        [ ! -s "$out/${names[i]}/says" ] || sed 's/^/    /' "$out/${names[i]}/says"
        total[$result]=$((${total[$result]:-0} + 1))
        all_passed=$((all_passed + passed))
    done
}

asked=("$@")
read_matrix
if [ ${#names[@]} = 0 ]; then
    echo "no such row or group in tests/cross/matrix: $*"
    exit 1
fi
mkdir -p $out "$tap_dir"
build/gcc/test_random_hashes --print >$hashes || exit 1
for name in "${names[@]}"; do rm -f "$out/$name/result"; done

for i in "${!names[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
    print_rows
    run_row "$i" &
done
while [ -n "$(jobs -rp)" ]; do
    wait -n || true
    print_rows
done
print_rows

line=
for result in equal refused compiled SKIP "NOT EQUAL" FAILED; do
    [ "${total[$result]:-0}" = 0 ] || line="$line, ${total[$result]} $result"
done
echo "${#names[@]} rows: ${line#, }; $all_passed tests passed; $SECONDS s"
[ $printed = ${#names[@]} ] && [ "${total[NOT EQUAL]:-0}" = 0 ] && [ "${total[FAILED]:-0}" = 0 ]
