#!/bin/bash
# Fuzzes for hours, in slices, and keeps a ledger of what each target has had.
#
#   fuzz/long.sh build        builds all targets and puts them in place, also while `run` runs
#   fuzz/long.sh run SECS     until each has had SECS seconds of processor time (JOBS=1 at once)
#   fuzz/long.sh summary      processor time, inputs and findings of each target
#
# The target that has had the least goes next, for SLICE seconds of the clock (300). What counts is
# the time of the processor, so that it may run at the lowest priority (chrt -i 0) beside other
# work. Everything is in $FUZZ_DIR (fuzz/corpus): NAME/ the inputs that reached something new,
# bin/ the programs, log/ the last slice of each, found/ what broke a property, ledger.tsv. A target that
# found something rests until the next `build`. To stop: touch $FUZZ_DIR/stop (after the slices
# that run), or end the process; what a slice found is kept, its time is then not counted.
set -eu
cd "$(dirname "$0")/.."
kept=${FUZZ_DIR:-$PWD/fuzz/corpus}
ledger=$kept/ledger.tsv
slice=${SLICE:-300}
mkdir -p "$kept/bin" "$kept/log" "$kept/found"
[ -s "$ledger" ] || printf 'time\ttarget\tcommit\truns\tcpu_secs\tinputs\tfound\n' >"$ledger"

# No sanitizer: see README.md.
build() {
    local target out
    cargo +nightly fuzz build -s none --codegen-units 8
    out=${CARGO_TARGET_DIR:-fuzz/target}/$(rustc -vV | sed -n 's/^host: //p')/release
    for target in $(cargo +nightly fuzz list); do
        # A new file and a rename: the old one may be running.
        cp "$out/$target" "$kept/bin/.$target"
        mv "$kept/bin/.$target" "$kept/bin/$target"
        rm -f "$kept/bin/.$target.rests"
    done
    git describe --always --dirty >"$kept/bin/.commit"
}

# Seconds of processor time and target, of those that do not rest, the least first.
by_need() {
    local program target
    for program in "$kept"/bin/*; do
        target=${program##*/}
        [ -e "$kept/bin/.$target.rests" ] ||
            awk -F'\t' -v t="$target" '$2 == t { s += $5 } END { print s + 0, t }' "$ledger"
    done | sort -n
}

one_slice() {
    local target=$1 log=$kept/log/$1 commit status=0 runs cpu found=0
    commit=$(cat "$kept/bin/.commit")
    mkdir -p "$kept/$target"
    TIMEFORMAT='%U %S'
    # A slice may wait for the processor, so that a long one is no hang before minutes.
    { time "$kept/bin/$target" "$kept/$target" "fuzz/seeds/$target" "-max_total_time=$slice" \
        -max_len=4096 -timeout=300 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=1 \
        "-artifact_prefix=$kept/found/$target-" >"$log" 2>&1 || status=$?; } 2>"$log.time"
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    cpu=$(awk 'END { printf "%.0f", $1 + $2 }' "$log.time")
    [ "$status" = 0 ] || {
        found=1
        touch "$kept/bin/.$target.rests"
        cp "$log" "$kept/found/$target-$(date -u +%H%M%S).log"
    }
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$(date -u +%FT%TZ)" "$target" "$commit" "${runs:-0}" \
        "$cpu" "$(find "$kept/$target" -type f | wc -l)" "$found" >>"$ledger"
}

run() {
    local enough=$1 targets target
    rm -f "$kept/stop"
    while [ ! -e "$kept/stop" ]; do
        targets=$(by_need | awk -v e="$enough" -v j="${JOBS:-1}" '$1 < e && n++ < j { print $2 }')
        [ -n "$targets" ] || break
        for target in $targets; do
            one_slice "$target" &
        done
        wait
    done
    summary
}

summary() {
    awk -F'\t' 'NR > 1 { cpu[$2] += $5; runs[$2] += $4; found[$2] += $7; inputs[$2] = $6 }
        END { for (t in cpu) printf "%-16s %6d s %12d runs %6d inputs %2d found\n",
            t, cpu[t], runs[t], inputs[t], found[t] }' "$ledger" | sort
}

case ${1:-} in
build | summary) "$1" ;;
run) run "${2:?seconds of processor time for each target}" ;;
*)
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" >&2
    exit 2
    ;;
esac
