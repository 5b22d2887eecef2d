#!/usr/bin/env bash
# Counts the instructions of a fixed list of calls and compares them with bench/instructions.txt.
#
#   bench/instructions.sh PROGRAM           a test a call: more than 1% above the table fails; the
#                                           last line says whether one grew by more than 5%
#   bench/instructions.sh PROGRAM --write   writes the table, for a change that is meant
#
# The table holds for one compiler, which it names; with another there is nothing to compare.
set -euo pipefail
program=$1
table=bench/instructions.txt
compiler="gcc $(gcc -dumpfullversion) -O2"

skip()
{
    echo 1..1
    if [ "${STRICT:-0}" != 0 ]; then
        echo "not ok 1 - STRICT forbids to skip: $1"
        exit 1
    fi
    echo "ok 1 # SKIP $1"
    exit
}

command -v valgrind >/dev/null || skip "no valgrind (make deps-bench)"
counts=$(dirname "$program")/counts
rm -rf "$counts"
mkdir -p "$counts"
valgrind -q --tool=callgrind --callgrind-out-file="$counts/out" "$program" >&2

# "name isa count" of every dump that a call asked for, in the order of the list.
measured=$(find "$counts" -name 'out.*' | sort -V | while read -r dump; do
    sed -n 's/^desc: Trigger: Client Request: //p; s/^totals: //p' "$dump" | paste -sd ' '
done)

if [ "${2:-}" = --write ]; then
    {
        echo "# Instructions of one call each, by callgrind; made by \`make instructions-write\`."
        echo "# $compiler"
        awk '{printf "%-40s %-6s %9d\n", $1, $2, $3}' <<<"$measured"
    } >"$table"
    exit
fi

theirs=$(sed -n '2s/^# //p' "$table")
[ "$theirs" = "$compiler" ] || skip "the table is of $theirs, this is $compiler"
awk '
    NR == FNR { if (!/^#/) was[$1 " " $2] = $3; next }
    {
        id = $1 " " $2; now = $3; n++; here[$2] = 1
        if (!(id in was)) {
            printf "not ok %d - %s is not in the table: %d\n", n, id, now
            bad = 1
            next
        }
        change = 100 * (now / was[id] - 1)
        fine = change <= 1
        printf "%s %d - %s: %d (%+.2f%%)%s\n", fine ? "ok" : "not ok", n, id, now, change,
            change < -1 ? ", better: the table may be written anew" : ""
        if (!fine) bad = 1
        if (change > 5) much++
        if (change > most) { most = change; who = id }
        delete was[id]
    }
    END {
        for (id in was) {
            split(id, part, " ")
            if (!(part[2] in here)) continue # a processor without it
            printf "not ok %d - %s is in the table only\n", ++n, id
            bad = 1
        }
        printf "1..%d\n", n
        says = much ? much " calls; most of all " who sprintf(", %+.1f%%", most) : "none"
        print "Slower by more than 5%, in instructions: " says "." >"/dev/stderr"
        exit bad
    }
' "$table" <(printf '%s\n' "$measured")
