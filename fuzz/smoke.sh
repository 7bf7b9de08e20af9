#!/bin/sh
# A short run of every target from its seeds: RUNS inputs each (100,000 unless told), findings in
# fuzz/artifacts. Leaves the tree as it was.
set -eu
cd "$(dirname "$0")/.."
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
for target in $(cargo +nightly fuzz list); do
    mkdir "$found/$target"
    echo "fuzz $target"
    cargo +nightly fuzz run "$target" "$found/$target" "fuzz/seeds/$target" -- \
        "-runs=${RUNS:-100000}" -max_total_time=60 -max_len=4096 -print_final_stats=1 -verbosity=0
done
