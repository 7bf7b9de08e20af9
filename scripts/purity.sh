#!/bin/sh
# Checks that the crates which decide cannot reach a clock, a socket, a file or a thread: nothing
# that could bring them in stands in their dependency tree, and clippy finds no call of the
# standard library's own (scripts/purity/clippy.toml). Their tests may do what they like.
set -eu
cd "$(dirname "$0")/.."

pure="bgp-wire bgp-session policy rib"
impure="tokio mio socket2 libc nix rustix async-io async-std smol hyper axum getrandom"

status=0
for crate in $pure; do
    tree=$(cargo tree --package "$crate" --edges normal --prefix none --format '{p}' | cut -d' ' -f1 | sort -u)
    for dependency in $impure; do
        if printf '%s\n' "$tree" | grep -qx -- "$dependency"; then
            echo "$crate depends on $dependency:" >&2
            cargo tree --package "$crate" --edges normal --invert "$dependency" >&2
            status=1
        fi
    done
done

# The forbidden calls show only with the second configuration; --lib leaves tests out.
set --
for crate in $pure; do
    set -- "$@" --package "$crate"
done
CLIPPY_CONF_DIR="$PWD/scripts/purity" cargo clippy --quiet "$@" --lib -- \
    -D clippy::disallowed_methods -D clippy::disallowed_types || status=1

exit $status
