#!/bin/sh
# Prints the licences and notices of everything that the programs are made of, as their licences
# ask for when they are passed on. A text that several crates share is printed once.
set -eu
cd "$(dirname "$0")/.."

sources=${CARGO_HOME:-$HOME/.cargo}/registry/src
seen=$(mktemp)
trap 'rm -f "$seen"' EXIT

echo "rs-daemon is licensed under MIT or Apache-2.0, at your choice. It contains the following"
echo "crates, each under its own licence."

# An assignment of its own, as a pipeline has only the last one's status.
crates=$(cargo tree --locked --offline --package rs-daemon --edges normal --prefix none \
    --format '{p}|{l}|{r}')
crates=$(printf '%s\n' "$crates" | sort -u | grep -v '(/' | sed 's/ ([^)]*)//')

status=0
while IFS='|' read -r crate licence repository; do
    name=${crate% v*} version=${crate##* v}
    # Of whichever registry it is.
    set -- "$sources"/*/"$name-$version"
    if [ ! -d "$1" ]; then
        echo "$name $version is not in $sources" >&2
        status=1
        continue
    fi
    printf '\n%s\n%s %s: %s\n%s\n' \
        "------------------------------------------------------------------------" \
        "$name" "$version" "$licence" "$repository"
    found=
    # Of C libraries inside, too. Names in crates have no spaces.
    for file in $(find "$@" -type f \( -iname '*licen[cs]e*' \
        -o -iname 'copying*' -o -iname 'copyright*' -o -iname 'notice*' -o -iname 'unlicense*' \) ! -name '*.rs' | sort); do
        found=yes
        sum=$(cksum <"$file")
        earlier=$(grep "^$sum|" "$seen" || true)
        if [ -n "$earlier" ]; then
            printf '\n%s: the same text as above, %s\n' "${file##*/}" "${earlier##*|}"
        else
            printf '%s|%s of %s\n' "$sum" "${file##*/}" "$name $version" >>"$seen"
            printf '\n%s:\n\n' "${file##*/}"
            cat "$file"
        fi
    done
    [ -n "$found" ] || printf '\nThe crate brings no text of its licence.\n'
done <<EOF
$crates
EOF
exit "$status"
