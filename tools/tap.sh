#!/usr/bin/env bash
# Runs one test for prove, and keeps what it said in build/tap, or TAP_DIR below it, where .ci/run
# adds everything up.
#
#   tools/tap.sh PROGRAM...             a TAP program
#   tools/tap.sh --status PROGRAM...    any program: one test, passed when it exits with 0
#   tools/tap.sh --as NAME ...          before either: what to call it; else it is the command line
#   tools/tap.sh --needs TARGET:TOOL,... ...   before either: SKIP, or with STRICT=1 fail, without a
#                                       tool; make TARGET installs them
#   tools/tap.sh --line 'needs TARGET:TOOL,... status PROGRAM...'    the rest in one word, as prove
#                                       hands on a test; what has dashes it takes for its own
#
# What TAP cannot say by itself becomes a failure here: a crash, a short run, no tests at all.
set -uo pipefail

# prove shows the numbers of failed tests only; it lets through what goes to stderr.
tell()
{
    { echo "# ---- $name"; grep -E '^(not ok|#)' "$file" | head -n 60; } >&2
}

need() # TARGET:TOOL,...
{
    local tool tools=${1#*:}
    for tool in ${tools//,/ }; do command -v "$tool" >/dev/null || lacking="$lacking $tool"; done
    [ -z "$lacking" ] || lacking="$lacking (make ${1%%:*})"
}

title= lacking= status_only=0 words=
while :; do
    case $words$1 in
    --as) title=$2 && shift 2 ;;
    --needs | wneeds) need "$2" && shift 2 ;;
    --status | wstatus) status_only=1 && shift ;;
    --line)
        read -ra line <<<"$2"
        set -- "${line[@]}"
        words=w
        ;;
    *) break ;;
    esac
done
name=${title:-$*}
tap_dir=${TAP_DIR:-build/tap}
mkdir -p "$tap_dir"
file=$tap_dir/$(tr -c 'A-Za-z0-9\n' _ <<<"$name").tap

if [ -n "$lacking" ]; then
    line="ok 1 # SKIP no$lacking for $name"
    [ "${STRICT:-0}" = 0 ] || line="not ok 1 - STRICT forbids to skip: no$lacking for $name"
    printf '%s\n1..1\n' "$line" | tee "$file"
    echo "# $line" >&2 # prove keeps quiet about a test that was skipped
    [ "${STRICT:-0}" = 0 ]
    exit
fi

if [ $status_only = 1 ]; then
    "$@" 2>&1 | sed 's/^/# /' >"$file"
    status=$?
    [ $status = 0 ] && echo "ok 1 - $name" >>"$file"
    [ $status = 0 ] || echo "not ok 1 - $name: exit status $status" >>"$file"
    echo 1..1 >>"$file"
    cat "$file"
    [ $status = 0 ] || tell
    exit $status
fi

"$@" | tr -d '\r' | tee "$file" # lines of a Windows program end in CR LF
status=$?
run=$(grep -cE '^(not )?ok\b' "$file")
plan=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$file")
if [ "$run" = 0 ] || [ "$run" != "${plan:-none}" ]; then
    echo "not ok - $name: ran $run of ${plan:-no} planned tests, exit status $status" >>"$file"
    tell
    exit 1
fi
if [ $status != 0 ] && ! grep -q '^not ok\b' "$file"; then
    echo "not ok - $name: exit status $status after passing" >>"$file"
fi
[ $status = 0 ] || tell
exit $status
