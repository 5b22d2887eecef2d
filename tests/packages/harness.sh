# harness.sh - what run.sh and recipes.sh share: a folder for each check, outside of this tree, and
# TAP. Read by bash at the top of the tree.

root=$PWD
here=$root/tests/packages
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS DESTDIR PREFIX INCLUDEDIR PKGCONFIGDIR NORMALIZE_LIBRARY
export CFLAGS="-O0 -DNRM_NO_SIMD" CXXFLAGS="-O0 -DNRM_NO_SIMD"
version=$(sed -n 's/^#define NRM_VERSION_[A-Z]* \([0-9]*\)$/\1/p' normalize.h | paste -sd. -)
public=$(sed -n 's/.*PUBLIC(\(nrm_[a-z0-9_]*\)).*/\1/p' tests/include/public.h | sort)

# ---- Harness: `check TEXT COMMAND...`; status 77 means skipped, the log's last line says why ----

count=0 failed=0 skipped=0
check()
{
    local text=$1 status
    shift
    count=$((count + 1))
    dir=$work/$count
    mkdir "$dir"
    (set -e; "$@") >"$dir/log" 2>&1
    status=$?
    sed -n 's/^note:/#/p' "$dir/log"
    if [ $status = 0 ]; then
        echo "ok $count - $text"
    elif [ $status = 77 ] && [ "${STRICT:-0}" = 0 ]; then
        echo "ok $count # SKIP $text: $(tail -n 1 "$dir/log")"
        skipped=$((skipped + 1))
    else
        echo "not ok $count - $text"
        tail -n 20 "$dir/log" | sed 's/^/#   /'
        echo "#   exit status $status"
        failed=$((failed + 1))
    fi
}

need()
{
    local tool
    for tool; do
        command -v "$tool" >/dev/null || { echo "no $tool here (make deps-packages)"; exit 77; }
    done
}

same() # WHAT GOT WANTED
{
    [ "$2" = "$3" ] || { printf '%s: "%s" instead of "%s"\n' "$1" "$2" "$3"; return 1; }
}

works() { same "$1 says" "$("$1")" "normalize $version"; }

files_below() { (cd "$1" && find . ! -type d | sort | tr '\n' ' '); }

finish()
{
    echo "1..$count"
    [ $skipped = 0 ] || echo "# skipped $skipped"
    [ $failed = 0 ] || echo "# failed $failed of $count"
    [ $failed = 0 ]
}
