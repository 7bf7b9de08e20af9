# shellcheck shell=bash
# The exchange of the first hour, as it stands before anything is changed.
sh lan.sh
rs-daemon --config rs.toml --log-format human 2> rs.log &
until rsctl status > status.txt 2>&1; do sleep 0.1; done
while read -r name asn number more; do
    rsctl client-config "AS$asn" --style bird |
        sed "s#0.0.0.0/32#62.$number.0.0/22$more#; s#::/128#2a0f:$number::/32#" > "$name-rs.conf"
    ip netns exec "$name" bird -c "$name.conf" -s "$name.ctl" -P "$name.pid"
done << 'MEMBERS'
alice 1000010 10
bob 1000020 20 , 62.21.0.0/24
carol 1000030 30
MEMBERS
until rsctl --json members | grep -c '"established"' | grep -qx 3 &&
    rsctl --json routes | grep -c '"prefix"' | grep -qx 7; do
    sleep 0.2
done

