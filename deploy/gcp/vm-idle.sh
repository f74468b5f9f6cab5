#!/bin/bash
# Stops the virtual machine after MINUTES in which it neither worked nor moved data.
#
#   vm-idle.sh MINUTES
#
# Busy is a sixth of a core, or 100 kB/s over the network: a job is the first, an upload or
# download the second, an open page that asks how things are neither.
set -euo pipefail

minutes="$1"
busy_ticks=1000    # hundredths of a second of CPU, in a minute
busy_bytes=6000000 # in a minute

ticks() { awk '$1 == "cpu" {print $2 + $3 + $4}' /proc/stat; }

bytes() { # that came and went, but for those within the machine
    awk 'sub(/:/, " ") && $1 !~ /^(lo|veth|docker|br-)/ {sum += $2 + $10}
         END {printf "%.0f\n", sum}' /proc/net/dev
}

sleep 300 # the start, with its warm-up, is no sign of life
idle=0
ticks_before="$(ticks)"
bytes_before="$(bytes)"
while ((idle < minutes)); do
    sleep 60
    ticks_now="$(ticks)"
    bytes_now="$(bytes)"
    if ((ticks_now - ticks_before > busy_ticks || bytes_now - bytes_before > busy_bytes)); then
        idle=0
    else
        idle=$((idle + 1))
    fi
    ticks_before="$ticks_now"
    bytes_before="$bytes_now"
done
echo "nothing to do for $minutes minutes: stopping this machine"
shutdown -h now
