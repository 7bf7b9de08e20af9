# shellcheck shell=bash
# The demo, with all of its members.
rs-daemon demo 2> demo.log &
until [ "$(rsctl --json members 2> members.txt | grep -c '"established"')" = 22 ]; do sleep 0.2; done
