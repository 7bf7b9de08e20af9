#!/bin/bash
# A short run of every target from its seeds, as many at once as there are processors: SECS seconds
# each (8 unless told), or RUNS inputs if that is less. Findings go to fuzz/artifacts; the rest of the
# tree stays as it was.
set -euo pipefail
cd "$(dirname "$0")/.."

# No sanitizer: see README.md.
cargo +nightly fuzz build -s none --codegen-units 8
programs=${CARGO_TARGET_DIR:-fuzz/target}/$(rustc -vV | sed -n 's/^host: //p')/release
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT

smoke() {
    local target=$1 log=$found/$1.log
    mkdir -p "$found/$target" "fuzz/artifacts/$target"
    if "$programs/$target" "$found/$target" "fuzz/seeds/$target" "-runs=${RUNS:--1}" \
        "-max_total_time=${SECS:-8}" -max_len=4096 -timeout=60 -rss_limit_mb=1024 -verbosity=1 \
        -print_final_stats=1 "-artifact_prefix=fuzz/artifacts/$target/" >"$log" 2>&1; then
        echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
    else
        echo "$target: FAILED"
        tail -n 40 "$log"
        return 1
    fi
}
export -f smoke
export programs found

cargo +nightly fuzz list | xargs -P "$(nproc)" -I {} bash -c 'smoke {}'
