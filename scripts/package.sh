#!/bin/sh
# Makes the Debian package of this tree and prints its path.
#
#   scripts/package.sh              with binaries of the profile dist
#   PROFILE=dev scripts/package.sh  with those of the dev profile (what the tests do)
#
# Needs cargo-deb (cargo install --locked cargo-deb); CARGO_DEB names one that is not on the path.
set -eu
cd "$(dirname "$0")/.."

profile=${PROFILE:-dist}
target=${CARGO_TARGET_DIR:-target}
case $profile in
dev) binaries=$target/debug ;;
*) binaries=$target/$profile ;;
esac
if [ -n "${CARGO_DEB:-}" ]; then
    cargo_deb=$CARGO_DEB
else
    cargo_deb=cargo-deb
    command -v cargo-deb >/dev/null || {
        echo "cargo-deb is missing: cargo install --locked cargo-deb" >&2
        exit 1
    }
fi

# BUILD=no: the programs are there (the tests have just built them).
[ "${BUILD:-yes}" = no ] ||
    cargo build --quiet --locked --profile "$profile" --package rs-daemon --bins

# Man pages and completions come from the definitions in the programs.
made=$binaries/package
rm -rf "$made"
mkdir -p "$made/bash" "$made/zsh" "$made/fish"
"$binaries/rsctl" man "$made/man"
for program in rsctl rs-daemon; do
    "$binaries/rsctl" completions bash --program "$program" >"$made/bash/$program"
    "$binaries/rsctl" completions zsh --program "$program" >"$made/zsh/_$program"
    "$binaries/rsctl" completions fish --program "$program" >"$made/fish/$program.fish"
done
scripts/notices.sh >"$made/NOTICES"

exec "$cargo_deb" --package rs-daemon --no-build --profile "$profile" \
    --output "${PACKAGE_DIR:-$target/debian}/" "$@"
