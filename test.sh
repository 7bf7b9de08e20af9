#!/bin/bash
# Everything that has to hold before a change is merged. On a Debian machine with Rust, as root:
# installs the packages that the tests need, then runs them all.
#
#   ./test.sh              everything
#   ./test.sh STEP...      only these (./test.sh --list names them)
#
# RS_DATA=DIR   also runs the tests that read real data from DIR (step data).
# RS_CACHE=DIR  keeps what is no Debian package in DIR, instead of in ~/.cache/rs-tests.
set -u
cd "$(dirname "$0")" || exit 2

steps=(
    packages format scripts purity lints tests data interoperation release instructions soak
    documentation dependencies fuzzing
)

# Program and the Debian package that has it.
needed=(
    bird:bird2 /usr/sbin/bgpd:openbgpd bgpctl:openbgpd /usr/lib/frr/bgpd:frr vtysh:frr
    gobgpd:gobgpd exabgp:exabgp stayrtr:stayrtr promtool:prometheus ip:iproute2 ping:iputils-ping kill:procps
    curl:curl unshare:util-linux
    bzip2:bzip2 xz:xz-utils cc:gcc make:make shellcheck:shellcheck valgrind:valgrind bgpq4:bgpq4 redis-server:redis-server setpriv:util-linux
    /usr/sbin/pmbmpd:pmacct tshark:tshark bgpdump:bgpdump
    '/usr/lib/postgresql/*/bin/initdb:postgresql' /usr/bin/python3:python3
    '/usr/lib/python3*/ensurepip:python3-venv' '/usr/include/python3*/Python.h:python3-dev'
    chromium:chromium /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf:fonts-dejavu-core
    /usr/lib/systemd/systemd:systemd dpkg-shlibdeps:dpkg-dev man:man-db
    '/usr/lib/*/faketime/libfaketimeMT.so.1:libfaketime'
)

# These are no Debian packages: they come from PyPI, each into a virtual environment. Name, version.
from_pypi=(irrd:4.5.4 schemathesis:4.32.5)
# Nor are these, which make our package and check what we are made of; they come from crates.io, each
# into a folder of its own. Name, version.
from_crates=(cargo-deb:3.8.0 cargo-deny:0.20.2)
cache=${RS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rs-tests}

# Seconds for each fuzz target.
fuzz_secs=${FUZZ_SECS:-8}

# Seconds of unrest, rests not counted.
soak_secs=${SOAK_SECS:-60}

have() {
    case $1 in
    /*) compgen -G "$1" >/dev/null ;;
    # A shell's own kill does not count.
    *) PATH="$PATH:/usr/sbin:/sbin" type -P "$1" >/dev/null ;;
    esac
}

missing_packages() {
    local entry
    for entry in "${needed[@]}"; do
        have "${entry%:*}" || echo "${entry##*:}"
    done | sort -u
}

step_packages() {
    local missing policy=/usr/sbin/policy-rc.d ours=no status
    missing=$(missing_packages)
    if [ -z "$missing" ]; then
        echo "no Debian package is missing"
        install_from_pypi && install_from_crates
        return
    fi
    if [ "$(id -u)" != 0 ]; then
        echo "missing, and only root can install them: ${missing//$'\n'/ }"
        return 1
    fi
    echo "installing ${missing//$'\n'/ }"
    # The tests start these daemons themselves, in namespaces: Debian's services are not wanted.
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && ours=yes
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of package names
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
    status=$?
    [ "$ours" = yes ] && rm -f "$policy"
    [ "$status" = 0 ] && install_from_pypi && install_from_crates
}

# An environment that did not become complete does not stay.
install_from_pypi() {
    local entry name version place
    for entry in "${from_pypi[@]}"; do
        name=${entry%:*} version=${entry##*:} place=$cache/${entry/:/-}
        if [ -x "$place/bin/$name" ]; then
            echo "$name $version is in $place"
            continue
        fi
        echo "installing $name $version in $place"
        mkdir -p "$cache" && rm -rf "$place" &&
            /usr/bin/python3 -m venv "$place" &&
            { "$place/bin/pip" install --quiet --disable-pip-version-check "$name==$version" ||
                { rm -rf "$place" && return 1; }; } || return 1
    done
}

install_from_crates() {
    local entry name version place
    for entry in "${from_crates[@]}"; do
        name=${entry%:*} version=${entry##*:} place=$cache/${entry/:/-}
        if [ -x "$place/bin/$name" ]; then
            echo "$name $version is in $place"
            continue
        fi
        echo "installing $name $version in $place (some minutes, once)"
        # In a target directory of its own: what it needs is nothing that we build.
        CARGO_TARGET_DIR=$place/build cargo install --quiet --locked --debug \
            --root "$place" "$name@$version" && rm -rf "$place/build" || return 1
    done
}

step_format() {
    cargo fmt --all --check
}

step_scripts() {
    if ! have shellcheck; then
        echo "shellcheck is not installed"
        return 1
    fi
    git ls-files -z '*.sh' .ci/run contrib/debian/postinst contrib/debian/postrm | xargs -0 shellcheck
}

step_purity() {
    sh scripts/purity.sh
}

step_lints() {
    cargo clippy --quiet --workspace --all-targets --all-features -- -D warnings
}

step_tests() {
    cargo test --workspace --no-fail-fast
}

# The tests that cargo counts as ignored are those that read real data.
step_data() {
    if [ -z "${RS_DATA:-}" ]; then
        left_out="RS_DATA names no folder: real tables and messages were not read"
        return
    fi
    cargo test --workspace --no-fail-fast --lib --tests -- --ignored
}

step_interoperation() {
    if [ "$(id -u)" != 0 ]; then
        echo "network namespaces need root: the tests with real daemons did not run"
        return 1
    fi
    # They mostly wait for each other's timers, so more of them than there are cores.
    cargo test --workspace --no-fail-fast --features rs-tests/interop \
        --test interop --test scenarios --test book -- --test-threads 4
}

# What is shipped and measured.
step_release() {
    cargo build --quiet --release --package rs-daemon --package rs-benches --bins
}

# Counted, not timed: other work on the machine does not show.
step_instructions() {
    cargo run --quiet --release --package rs-benches --bin rs-lab -- instructions
}

# A minute of everything at once; SOAK_SECS=1800 is the long one. In a network namespace of its own.
step_soak() {
    local out status
    out=$(mktemp -d)
    cargo run --quiet --release --package rs-benches --bin rs-lab -- soak --daemons us \
        --members "${SOAK_MEMBERS:-100}" --prefixes 60 --per-set 1 --overlap 3 --rate 200 \
        --seconds "$soak_secs" --out "$out"
    status=$?
    rm -rf "$out"
    return "$status"
}

step_documentation() {
    RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps && book
}

# Links, blocks and configurations of the book are checked by the tests (step tests), its commands
# by those with real daemons. mdBook itself is no Debian package and takes minutes to build:
# cargo install --locked mdbook --root ~/.cache/rs-tests/mdbook
book() {
    local mdbook
    mdbook=$(PATH="$cache/mdbook/bin:$PATH" type -P mdbook) || {
        echo "mdbook is not installed: the book was not made into a web site"
        return 0
    }
    "$mdbook" build 2>&1
}

# Licences, sources, duplicates and wildcards, from Cargo.lock and the sources that cargo has fetched.
# Advisories are RustSec's (those of cargo audit), in a database that has to be fetched apart.
step_dependencies() {
    local deny entry manifest database=${CARGO_HOME:-$HOME/.cargo}/advisory-dbs
    for entry in "${from_crates[@]}"; do
        [ "${entry%:*}" = cargo-deny ] && deny=$cache/${entry/:/-}/bin/cargo-deny
    done
    if [ ! -x "$deny" ]; then
        echo "$deny is missing: ./test.sh packages installs it"
        return 1
    fi
    for manifest in Cargo.toml fuzz/Cargo.toml; do
        # Of all targets that deny.toml names, not only of this machine's.
        cargo fetch --quiet --locked --manifest-path "$manifest" &&
            "$deny" --offline --locked --manifest-path "$manifest" --log-level error \
                check bans licenses sources || return 1
    done
    if ! have "$database/advisory-db-*/crates"; then
        left_out="advisories: $database is missing ('cargo deny fetch db' makes it); the rest is fine"
        return
    fi
    "$deny" --offline --locked check advisories
}

# With a nightly compiler the targets run for a while from their seeds; without, the seeds are
# replayed as plain tests.
step_fuzzing() {
    if ! cargo +nightly --version >/dev/null 2>&1; then
        echo "no nightly compiler (rustup toolchain install nightly): only the seeds are replayed"
        cargo test --quiet --manifest-path fuzz/Cargo.toml --lib
        return
    fi
    if ! cargo fuzz --version >/dev/null 2>&1; then
        cargo install --quiet --locked cargo-fuzz || return 1
    fi
    SECS=$fuzz_secs fuzz/smoke.sh 2>&1 | tail -n 100
    return "${PIPESTATUS[0]}"
}

[ "${1:-}" = --list ] && {
    printf '%s\n' "${steps[@]}"
    exit 0
}

failed=()
skipped=()
began=$SECONDS
[ $# -gt 0 ] || set -- "${steps[@]}"
for step in "$@"; do
    declare -F "step_$step" >/dev/null || {
        echo "no step $step; there are: ${steps[*]}" >&2
        exit 2
    }
    echo "== $step"
    start=$SECONDS
    left_out=
    if "step_$step"; then
        [ -z "$left_out" ] || {
            echo "== $step: LEFT OUT, $left_out"
            skipped+=("$step")
            continue
        }
        echo "== $step: passed in $((SECONDS - start)) s"
    else
        echo "== $step: FAILED after $((SECONDS - start)) s"
        failed+=("$step")
    fi
done

echo "== all steps took $((SECONDS - began)) s"
if [ ${#failed[@]} -ne 0 ]; then
    echo "== FAILED: ${failed[*]}"
    exit 1
fi
[ ${#skipped[@]} -eq 0 ] || echo "== left out: ${skipped[*]}"
echo "== everything that ran passed"
