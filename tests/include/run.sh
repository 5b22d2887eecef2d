#!/usr/bin/env bash
# What including normalize.h does to a program, as TAP.
#
#   tests/include/run.sh quick    C99 and C++11, no options, one instruction set: seconds
#   tests/include/run.sh          every compiler, standard and option: minutes
#
# Every combination passes the front end with every warning on. Code is generated for fewer, since
# an object of all instruction sets takes twenty seconds: all levels, both languages, and each
# option that takes away an instruction set; options that take away types show what they do in the
# scalar code, by gcc with -O2, whose optimiser warns as well. What is asked of symbols alone is
# compiled without optimization, and an object that has answered one question is asked others. Jobs
# run side by side; each writes its log under build/include, and is reported in order.
set -euo pipefail
cd "$(dirname "$0")/../.."

quick=0
[ "${1:-}" = quick ] && quick=1
out=build/include
here=tests/include
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
standards="c99 c11 c2x gnu2x c++11 c++20"
# What leaves a part out, as the code asks for it, and the instruction sets, as its passes set them.
asks='(defined\(|#ifn?def )(NRM_NO_[A-Z0-9]+)'
options="$(grep -oE "$asks" normalize.h | sed -E "s/$asks/\2/" | sort -u | tr '\n' ' ')"
options="$options NORMALIZE_STATIC"
isas=$(sed -n 's/^#define NRMI_ISA //p' normalize.h)
one_isa="-O0 -DNRM_NO_SIMD"
# All that an object may ask for. The last is the C++ runtime's, of g++ -O0.
libc="sqrtf?|memcpy|memset|memmove|__gxx_personality_v0"
public=$(sed -n 's/.*PUBLIC(\(nrm_[a-z0-9_]*\)).*/\1/p' $here/public.h)
rm -rf $out
mkdir -p $out

# ---- Jobs: `job TEXT COMMAND...`; status 77 means skipped, the log's last line is the reason ----

count=0
texts=()
job()
{
    local id=$((++count))
    texts[id]=$1
    shift
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done
    (
        set +e
        dir=$out/$id
        mkdir -p "$dir"
        (set -e; "$@") >"$dir/log" 2>&1
        echo $? >"$dir/status"
    ) &
}

report()
{
    local id status failed=0 skipped=0
    wait
    for ((id = 1; id <= count; id++)); do
        status=$(cat "$out/$id/status" 2>/dev/null || echo none)
        grep -h '^note: ' "$out/$id/log" | sed 's/^note:/#/' || true
        if [ "$status" = 0 ]; then
            echo "ok $id - ${texts[id]}"
        elif [ "$status" = 77 ] && [ "${STRICT:-0}" = 0 ]; then
            echo "ok $id # SKIP ${texts[id]}: $(tail -n 1 "$out/$id/log")"
            skipped=$((skipped + 1))
        else
            echo "not ok $id - ${texts[id]}"
            sed -n 's/^/#   /; 1,12p' "$out/$id/log"
            echo "#   exit status $status"
            failed=$((failed + 1))
        fi
    done
    echo "1..$count"
    [ $skipped = 0 ] || echo "# skipped $skipped"
    [ $failed = 0 ] || echo "# failed $failed of $count"
    [ $failed = 0 ]
}

skip()
{
    echo "$1"
    exit 77
}

# ---- Tools --------------------------------------------------------------------------------------

# The C++ compiler beside a C compiler, and the -x language of a standard.
cxx_of() { case $1 in gcc*) echo "g++${1#gcc}" ;; clang*) echo "clang++${1#clang}" ;; esac; }
compiler_for() { case $2 in *++*) cxx_of "$1" ;; *) echo "$1" ;; esac; }
language_of() { case $1 in *++*) echo c++ ;; *) echo c ;; esac; }

need()
{
    local tool
    for tool; do command -v "$tool" >/dev/null || skip "no $tool here (make deps)"; done
}

supports() { echo | "$1" -std="$2" -x "$(language_of "$2")" -fsyntax-only - 2>/dev/null; }

# Every public function is in the object: a misspelt macro cannot pass. Static builds hold them as
# local symbols and no global one. $2 is the option in force, $3 the flags beside it.
emitted()
{
    local object=$1 option=${2:-} flags=${3:-} kind=T name symbols
    [ "$option" != NORMALIZE_STATIC ] || kind=t
    symbols=$(nm "$object")
    for name in $public; do
        case $option:$name in NRM_NO_HALF:*f16*) continue ;; esac
        # Clang mangles static functions of C++ even in an extern "C" block.
        grep -Eq " $kind ($name|_ZL${#name}$name.*)\$" <<<"$symbols" ||
            { echo "$name is not emitted ($kind)"; return 1; }
    done
    if [ $kind = t ] && grep -E ' [A-TV-Z] nrm' <<<"$symbols"; then
        echo "global symbols in a static build"
        return 1
    fi
    case $flags in *NRM_NO_SIMD*) option=NRM_NO_SIMD ;; esac
    instruction_sets "$option" "$symbols"
}

# An option drops its instruction set and nothing else. v128 is that of other machines.
instruction_sets()
{
    local option=$1 symbols=$2 isa want
    [ "$(uname -m)" = x86_64 ] || return 0
    for isa in $isas; do
        want=1
        case $isa,$option in
        scalar,*) ;;
        v128,* | *,NRM_NO_SIMD | "$isa,NRM_NO_${isa^^}") want=0 ;;
        esac
        if grep -q "nrmi_[a-z0-9_]*_$isa" <<<"$symbols"; then
            [ $want = 1 ] || { echo "$option holds $isa code"; return 1; }
        else
            [ $want = 0 ] || { echo "${option:-the default} holds no $isa code"; return 1; }
        fi
    done
}

# ---- The matrix: compiler, standard, level, option ----------------------------------------------

source_for() { case $1 in *++*) echo $here/cxx.cpp ;; *) echo $here/c99.c ;; esac; }

# Warnings and errors of the front end, which costs little, so that every combination has its turn.
front_end() # compiler standard option
{
    local cc
    cc=$(compiler_for "$1" "$2")
    need "$cc"
    supports "$cc" "$2" || skip "$cc knows no -std=$2"
    # shellcheck disable=SC2086
    [ -n "${3:-}" ] && same_text "$cc" "$2" "$3" "" ||
        "$cc" -std="$2" $warnings ${3:+-D$3} -I. -fsyntax-only "$(source_for "$2")"
}

# Code: the warnings of the optimiser, the symbols the object defines and needs, and a run.
whole() # compiler standard flags option
{
    local cc option=${4:-}
    cc=$(compiler_for "$1" "$2")
    need "$cc"
    supports "$cc" "$2" || skip "$cc knows no -std=$2"
    if [ -n "$option" ] && same_text "$cc" "$2" "$option" "$3"; then
        echo "note: $1 $option: the same text as without it"
        return 0
    fi
    # shellcheck disable=SC2086
    "$cc" -std="$2" $warnings $3 ${option:+-D$option} -fno-stack-protector -I. \
        -c "$(source_for "$2")" -o "$dir/o.o"
    emitted "$dir/o.o" "$option" "$3"
    undefined_only "$dir/o.o" "$libc"
    "$cc" "$dir/o.o" -lm -o "$dir/program"
    "$dir/program"
}

# Whether an option leaves all as it is, as those of other machines do: then the build without it,
# which is in the list as well, says all there is to say.
same_text() # compiler standard option flags
{
    # shellcheck disable=SC2206
    local call=("$1" -std="$2" $4 -I. -E -P "$(source_for "$2")")
    cmp -s <("${call[@]}") <("${call[@]}" -D"$3")
}

# Warnings that no standard set holds but that careful projects switch on.
more_warnings()
{
    local cc
    cc=$(compiler_for "$1" "$2")
    need "$cc"
    local more="-Wundef -Wsign-conversion -Wdouble-promotion -Wcast-align -Wvla -Wformat=2"
    more="$more -Wwrite-strings -Wredundant-decls -Wswitch-default"
    case $2 in
    *++*) ;;
    *)
        more="$more -Wstrict-prototypes -Wmissing-prototypes -Wbad-function-cast"
        more="$more -Wdeclaration-after-statement"
        ;;
    esac
    case $1 in clang*) more="$more -Wcomma -Wdisabled-macro-expansion" ;; esac
    # shellcheck disable=SC2086
    "$cc" -std="$2" -x "$(language_of "$2")" $warnings $more -fsyntax-only -I. $here/plain_a.c
}

# ---- Whole programs: what they show has nothing to do with instruction sets, so one will do ------

program() # compiler standard flags source...
{
    local cc std=$2 flags=$3 source objects=() object
    cc=$(compiler_for "$1" "$std")
    need "$cc"
    shift 3
    for source; do
        object=$dir/$(basename "$source").o
        # shellcheck disable=SC2086
        "$cc" -std="$std" $warnings $flags $one_isa -I. -c $here/"$source" -o "$object"
        objects+=("$object")
    done
    "$cc" "${objects[@]}" -lm -o "$dir/program"
    "$dir/program"
    case $1 in static_a.c) static_clean "${objects[@]}" ;; esac
}

static_clean()
{
    ! nm "$@" | grep -E ' [A-TV-Z] nrm' || { echo "global symbols in a static build"; return 1; }
}

hostile()
{
    local cc
    cc=$(compiler_for "$1" "$2")
    need "$cc"
    # shellcheck disable=SC2086
    "$cc" -std="$2" -x "$(language_of "$2")" $warnings -I. -fsyntax-only $here/hostile_macros.c
}

# The implementation as C, the declarations as C++.
c_and_cxx()
{
    need "$1" "$(cxx_of "$1")"
    # shellcheck disable=SC2086
    "$1" -std=c99 $warnings $one_isa -I. -c $here/plain_a.c -o "$dir/a.o"
    # shellcheck disable=SC2086
    "$(cxx_of "$1")" -std=c++11 -x c++ $warnings -O1 -I. -c $here/plain_b.c -o "$dir/b.o"
    emitted "$dir/a.o" NRM_NO_SIMD
    "$(cxx_of "$1")" "$dir/a.o" "$dir/b.o" -lm -o "$dir/program"
    "$dir/program"
}

renamed()
{
    need "$1"
    mkdir "$dir/include"
    cp normalize.h "$dir/include/renamed_copy.h"
    cp $here/renamed.c $here/public.h "$dir/"
    # shellcheck disable=SC2086
    "$1" -std=c99 $warnings $one_isa -I"$dir/include" "$dir/renamed.c" -lm -o "$dir/program"
    "$dir/program"
}

# A renamed copy beside a normalize.h of another version, and NRM_HEADER_FILENAME forgotten: that
# must not compile, or the kernels of the other version would be taken in silence.
renamed_forgotten()
{
    need "$1"
    mkdir "$dir/include"
    cp normalize.h "$dir/include/renamed_copy.h"
    perl -pe 's/(NRM_VERSION_PATCH|NRMI_PASS\s*!=)(\s+)(\d+)/$1 . $2 . ($3 + 1)/e' normalize.h \
        >"$dir/include/normalize.h"
    if cmp -s normalize.h "$dir/include/normalize.h"; then
        echo "found no version to change"
        return 1
    fi
    cp $here/renamed.c $here/public.h "$dir/"
    if "$1" -std=c99 -DFORGOTTEN -I"$dir/include" -fsyntax-only "$dir/renamed.c"; then
        echo "compiles with the kernels of another version"
        return 1
    fi
    grep -Eiq 'version|NRM_HEADER_FILENAME' "$dir/log" || { echo "no helpful message"; return 1; }
}

# Found by a relative path, from another directory, with no -I at all.
relative_path()
{
    need "$1"
    local top
    top=$(pwd)
    mkdir -p "$dir/lib/norm" "$dir/src/deep"
    cp normalize.h "$dir/lib/norm/"
    printf '#define NORMALIZE_IMPLEMENTATION\n#include "../../lib/norm/normalize.h"\n' \
        >"$dir/src/deep/user.c"
    (cd / && "$1" -std=c99 -fsyntax-only "$top/$dir/src/deep/user.c")
    (cd "$dir/src" && "$1" -std=c99 -fsyntax-only deep/user.c)
}

# The program in README.md is one.
readme()
{
    need "$1"
    awk '/^```c$/ {on = 1; next} /^```/ {on = 0} on' README.md >"$dir/readme.c"
    # shellcheck disable=SC2086
    "$1" -std=c99 $warnings $one_isa -I. "$dir/readme.c" -lm -o "$dir/program"
    "$dir/program"
}

# The code of the manual's quick start (A2) compiles as it stands there, and does what it says.
quick_start() # compiler standard
{
    local cc
    cc=$(compiler_for "$1" "$2")
    need "$cc"
    awk '/^ -- A3 / {exit} /^ -- A2 / {on = 1} on && /^   [a-z]/ {sub(/;   .*/, ";"); print}' \
        normalize.h >"$dir/code"
    case $2 in *++*) sed -i 's/{0}/{}/' "$dir/code" ;; esac
    sed -n '1,/puts/p' "$dir/code" >"$dir/short_form.h"
    sed '1,/puts/d' "$dir/code" >"$dir/batch_norm.h"
    cp $here/manual.c "$dir/"
    # shellcheck disable=SC2086
    "$cc" -std="$2" -x "$(language_of "$2")" $warnings $one_isa -I. -I"$dir" "$dir/manual.c" \
        -lm -o "$dir/program"
    "$dir/program"
}

# The examples compile as C++20 too, which wants designated initialisers in the order of the struct.
# What they leave out is 0 on purpose.
examples_as_cxx20()
{
    local source header flags missing=
    need g++
    supports g++ c++20 || skip "g++ knows no -std=c++20"
    for source in examples/*.c; do
        header=math.h flags=
        case $source in
        *_mpi.c) header=mpi.h flags=$(mpicc -show | tr ' ' '\n' | grep '^-I') ;;
        *_style.c) header=png.h flags=$(libpng-config --cflags) ;;
        *_openmp.c) header=omp.h flags=-fopenmp ;;
        esac 2>/dev/null || true
        # shellcheck disable=SC2086
        if ! echo "#include <$header>" | g++ $flags -x c++ -fsyntax-only - 2>/dev/null; then
            missing="$missing $header"
            continue
        fi
        # shellcheck disable=SC2086
        g++ -std=c++20 -x c++ -Wall -Wextra -Werror -Wno-missing-field-initializers \
            -Wno-deprecated-enum-float-conversion -DNRM_NO_SIMD $flags -fsyntax-only "$source"
    done
    [ -z "$missing" ] || skip "one each without$missing"
}

# What the manual quotes from a test is in it, line by line.
quotes()
{
    local source=tests/test_manual.c
    awk -v source="$source" '
        function bare(line) { gsub(/^[ \t]+|[ \t]+$/, "", line); return line }
        FILENAME == source && /\/\* quoted/ { on = 1; text[++n] = "\n"; name[n] = $0; next }
        FILENAME == source && /\/\* end/ { on = 0 }
        FILENAME == source { if (on) text[n] = text[n] bare($0) "\n"; next }
        { manual = manual bare($0) "\n" }
        END {
            if (!n) { print "nothing is quoted"; exit 1 }
            for (i = 1; i <= n; i++)
                if (!index(manual, text[i])) { print "not in the manual:" name[i]; bad = 1 }
            exit bad
        }' "$source" normalize.h
}

# ---- What is needed, what is left behind --------------------------------------------------------

# The undefined symbols of an object are among those given. The global offset table is the linker's.
undefined_only()
{
    local object=$1 found
    shift
    found=$(nm -u "$object" | awk '{print $2}' | grep -vxE "_GLOBAL_OFFSET_TABLE_|$*" || true)
    [ -z "$found" ] || { echo "needs:" $found; return 1; }
    echo "note: needs $(nm -u "$object" | awk '{printf "%s ", $2}')"
}

freestanding()
{
    need "$1"
    [ "$(uname -m)" = x86_64 ] || skip "own_sqrt is written for x86-64"
    # shellcheck disable=SC2086
    "$1" -std=c99 $warnings $2 -ffreestanding -fno-builtin -fno-stack-protector -DOWN_SQRT -I. \
        -c $here/nolibc.c -o "$dir/o.o"
    emitted "$dir/o.o" '' "$2"
    undefined_only "$dir/o.o" "memcpy|memset|memmove"
}

# No header but the compiler's own. gcc's of SSE wants <stdlib.h>, so there the code is the one for
# processors without it, which takes the root from the compiler.
no_headers()
{
    need "$1"
    local own=-nostdlibinc
    [ "$(uname -m)" = x86_64 ] || skip "written for x86-64"
    case $1 in
    gcc*) own="-nostdinc -isystem $("$1" -print-file-name=include) -DNRM_NO_SIMD -U__SSE2__" ;;
    esac
    # shellcheck disable=SC2086
    "$1" -std=c99 $warnings $own -O0 -ffreestanding -fno-stack-protector -I. \
        -c $here/nolibc.c -o "$dir/o.o"
    emitted "$dir/o.o" '' "$own"
    undefined_only "$dir/o.o" "memcpy|memset|memmove|sqrt"
}

# Every macro, as `name` and `name value`.
macros() { "$@" -dM -E - | sed 's/^#define //' | sort; }

# After the header: every macro from before with its value, and no new one but ours and those of
# the system headers it may include. (libstdc++ takes away min and max; that is not our doing.)
macro_residue() # compiler standard system-headers define
{
    local cc system='' header
    cc=$(compiler_for "$1" "$2")
    need "$cc"
    for header in $3; do system="$system#include <$header>"$'\n'; done
    local call=("$cc" -std="$2" -x "$(language_of "$2")" -I. -I$here)
    local hostile='#include "hostile_names.h"'$'\n'
    macros "${call[@]}" <<<"$hostile$system" >"$dir/before"
    macros "${call[@]}" <<<"$hostile${4:+#define $4}"$'\n#include "normalize.h"' >"$dir/after"
    macros "${call[@]}" <<<"$hostile" | comm -12 - "$dir/before" >"$dir/user"
    if comm -23 "$dir/user" "$dir/after" | grep .; then
        echo "^ macros of the user's that are gone or changed"
        return 1
    fi
    if comm -13 "$dir/before" "$dir/after" | grep -vE '^(NRMI?_|NORMALIZE_)'; then
        echo "^ new macros"
        return 1
    fi
    grep -q '^NORMALIZE_H' "$dir/after"
}

# The instructions of the user's functions are the same before and after the header.
instructions() { objdump -d --no-show-raw-insn "$1" --disassemble="$2" | awk '/^ /{print $2}'; }

code_state()
{
    local cc name lines=0
    cc=$(compiler_for "$1" "$2")
    need "$cc" objdump
    local quiet=''
    case $1 in gcc*) quiet=-fno-ipa-icf ;; esac # else gcc keeps one of two equal functions
    # shellcheck disable=SC2086
    "$cc" -std="$2" -x "$(language_of "$2")" $3 $quiet -I. -c $here/state.c -o "$dir/o.o"
    for name in fma sum nan div; do
        instructions "$dir/o.o" before_$name >"$dir/before_$name"
        instructions "$dir/o.o" after_$name >"$dir/after_$name"
        diff "$dir/before_$name" "$dir/after_$name" || { echo "$name changed"; return 1; }
        lines=$((lines + $(wc -l <"$dir/before_$name")))
    done
    [ $lines -ge 8 ] || { echo "objdump shows no instructions"; return 1; }
    case $3 in
    *-mfma*) grep -q fmadd "$dir/after_fma" || { echo "no fma even before"; return 1; } ;;
    esac
}

warning_state()
{
    need "$1"
    local with
    for with in -DWITHOUT -DWITH; do
        "$1" -std=c99 -O2 -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow \
            -Wcast-qual -Wdouble-promotion -Wfloat-equal -Wimplicit-fallthrough $with -I. \
            -fsyntax-only $here/user_warnings.c 2>"$dir/warnings$with" || return 1
        grep -F user_warnings.c "$dir/warnings$with" | grep -Eo '^.*warning:|\[-W[a-z=+-]*' |
            sort >"$dir/names$with"
    done
    diff "$dir/names-DWITHOUT" "$dir/names-DWITH"
    [ "$(grep -c '\[' "$dir/names-DWITH")" -ge 10 ]
}

# The library alone, with small calls in pools as the stack's tests want them, and a program.
library() # compiler level
{
    need "$1"
    # shellcheck disable=SC2086
    "$1" -std=c99 $warnings "$2" -DNRM_POOL_MIN=1 -fno-stack-protector -I. -c $here/plain_a.c \
        -o "$dir/o.o"
    emitted "$dir/o.o"
    undefined_only "$dir/o.o" "$libc"
    # shellcheck disable=SC2086
    "$1" -std=c99 $warnings "$2" -I. $here/plain_b.c "$dir/o.o" -lm -o "$dir/program"
    "$dir/program"
}

# What paints the stack and calls the library is compiled once: how deep a call goes is a matter of
# the library's own flags.
stack_painted() # compiler level [job that made the object]
{
    local object=$dir/o.o limit=65536 # as in tests/test_stack.c
    need "$1"
    [ "$2" != -O0 ] || limit=98304
    if [ $# = 3 ]; then
        until [ -e "$out/$3/status" ]; do sleep 0.2; done
        object=$out/$3/o.o
    else
        "$1" -std=gnu99 "$2" -DNORMALIZE_IMPLEMENTATION -DNRM_POOL_MIN=1 -x c -c normalize.h \
            -o "$object"
    fi
    "$1" -pthread $out/stack.o "$object" -o "$dir/program" -lm
    "$dir/program" $limit >"$dir/tap" || { grep -E '^(not ok|#)' "$dir/tap"; return 1; }
    sed -n 's/^# deepest/note: deepest/p' "$dir/tap"
}

# Tiles take their arrays from rooms whose sizes NRM_TILE gives; the library asserts that they fit.
stack_rooms() # compiler
{
    need "$1"
    "$1" -std=gnu99 -O1 -DNORMALIZE_IMPLEMENTATION -DNRM_POOL_MIN=1 -DNRM_TILE=128 \
        '-DNRM_ASSERT(c)=((c)?(void)0:__builtin_trap())' -x c -c normalize.h -o "$dir/o.o"
    "$1" -pthread $out/stack.o "$dir/o.o" -o "$dir/program" -lm
    "$dir/program" >"$dir/tap" || { grep -E '^(not ok|#)' "$dir/tap"; return 1; }
}

# Each of the tests' own headers can be included alone.
support() # compiler
{
    need "$1"
    local header
    for header in tests/support/*.h; do
        echo "$header"
        echo "#include \"$header\"" | "$1" -std=gnu99 -Wall -Wextra -Werror -I. -fsyntax-only -x c -
    done
}

# ---- The list -----------------------------------------------------------------------------------

system_headers="stddef.h stdint.h math.h string.h"
case $(uname -m) in x86_64) system_headers="$system_headers immintrin.h cpuid.h" ;; esac

# What takes longest comes first, so that no core waits for it at the end.
levels="-O0 -O1" # -O2 is with the other tests
[ $quick = 0 ] || levels=-O0
"$(command -v gcc || echo clang)" -std=gnu99 -O1 -DNRM_POOL_MIN=1 -pthread -c tests/test_stack.c \
    -o $out/stack.o
for cc in gcc clang; do
    [ $quick = 1 ] || job "$cc c99 -O3: symbols" library $cc -O3
    library=$count
    [ $quick = 1 ] || job "$cc -Os: freestanding" freestanding $cc "-Os -DNRM_POOL_MIN=1"
    bare=$count
    for level in $levels; do job "$cc $level: stack in use" stack_painted $cc $level; done
    [ $quick = 1 ] || job "$cc -O3: stack in use" stack_painted $cc -O3 "$library"
    [ $quick = 1 ] || job "$cc -Os, freestanding: stack in use" stack_painted $cc -Os "$bare"
    job "$cc, NRM_TILE=128: rooms on the stack" stack_rooms $cc
done

for cc in gcc clang; do
    if [ $quick = 1 ]; then
        job "$cc c99: no warning" front_end $cc c99
        job "$cc c++11: no warning" front_end $cc c++11
        job "$cc c99 NRM_NO_SIMD: symbols" whole $cc c99 -O0 NRM_NO_SIMD
        job "$cc c++11 NRM_NO_SIMD: symbols" whole $cc c++11 -O0 NRM_NO_SIMD
    else
        for std in $standards; do
            for option in '' $options; do
                job "$cc $std${option:+ $option}: no warning" front_end $cc $std $option
            done
            job "$cc $std -O0 NRM_NO_SIMD: symbols" whole $cc $std -O0 NRM_NO_SIMD
        done
        level=-O2 cxx_level=-O1
        [ $cc = gcc ] || level=-O0 cxx_level=-O0
        job "$cc c++20 $cxx_level: symbols" whole $cc c++20 $cxx_level
        for option in $options; do
            case $option in
            NRM_NO_F64 | NRM_NO_HALF | NORMALIZE_STATIC) flags="$level -DNRM_NO_SIMD" ;;
            NRM_NO_SIMD) flags=$level ;;
            *) flags=-O0 ;; # what is left of the instruction sets is the same text
            esac
            job "$cc c99 $flags $option: symbols" whole $cc c99 "$flags" $option
        done
        job "$cc c99 float and scalar alone: symbols" \
            whole $cc c99 "$level -DNRM_NO_SIMD -DNRM_NO_F64" NRM_NO_HALF
        job "$cc c++11 -O0 NORMALIZE_STATIC: symbols" whole $cc c++11 -O0 NORMALIZE_STATIC
        job "$cc -O0: freestanding" freestanding $cc -O0
        job "$cc: without the headers of a C library" no_headers $cc
        for std in c99 c++11; do
            job "$cc $std: more warnings" more_warnings $cc $std
            job "$cc $std: same user code after it, -O2 -mfma" \
                code_state $cc $std "-O2 -mfma -ffp-contract=fast"
            [ $cc = gcc ] || job "$cc $std: same user code after it, -ffp-contract=on" \
                code_state $cc $std "-O2 -mfma -ffp-contract=on"
            job "$cc $std: same user code after it, -Ofast" code_state $cc $std "-Ofast -mavx2"
            job "$cc $std: same user code after it, -O2" code_state $cc $std -O2
            job "$cc $std: same user code after it, -O0" code_state $cc $std -O0
        done
        job "$cc: two static copies, c++11" program $cc c++11 "-x c++" static_a.c static_b.c
        job "$cc: included again and again, c++11" program $cc c++11 "-x c++" twice.c
        job "$cc: hostile macros, c++11" hostile $cc c++11
        job "$cc: macros left by the implementation, c++11" \
            macro_residue $cc c++11 "$system_headers" NORMALIZE_IMPLEMENTATION
    fi
    job "$cc: included again and again" program $cc c99 -O0 twice.c
    job "$cc: implementation and declarations" program $cc c99 -O0 plain_a.c plain_b.c
    job "$cc: implementation in C, declarations in C++" c_and_cxx $cc
    job "$cc: two static copies" program $cc c99 -O0 static_a.c static_b.c
    job "$cc: hostile macros" hostile $cc c99
    job "$cc: renamed" renamed $cc
    job "$cc: renamed, beside another version, is refused" renamed_forgotten $cc
    job "$cc: by a relative path" relative_path $cc
    job "$cc: the program in README.md" readme $cc
    job "$cc c99: the manual's quick start" quick_start $cc c99
    job "$cc c++11: the manual's quick start" quick_start $cc c++11
    job "$cc: each header of tests/support, alone" support $cc
    job "$cc -O0 -DNRM_NO_SIMD: freestanding" freestanding $cc "-O0 -DNRM_NO_SIMD"
    job "$cc: macros left by the declarations" macro_residue $cc c99 "stddef.h stdint.h" ''
    job "$cc: macros left by the implementation" \
        macro_residue $cc c99 "$system_headers" NORMALIZE_IMPLEMENTATION
    job "$cc: the user's warnings still fire" warning_state $cc
    job "$cc: same user code after it" code_state $cc c99 "-O2 -mfma -ffp-contract=fast"
done
[ $quick = 1 ] || job "g++ c++20: the examples" examples_as_cxx20
job "the manual quotes tests/test_manual.c" quotes

report
