#!/bin/sh
# The protocol crate is pure: no runtime, no clock, no files among what it is built from.
set -eu
cd "$(dirname "$0")/.."
tree=$(cargo tree --package bridgepoint-protocol --edges normal --prefix none --format '{p} {f}')
for unwanted in tokio rumqttc async-std rusqlite serialport gstreamer tempfile; do
    if printf '%s\n' "$tree" | grep -q "^$unwanted "; then
        echo "bridgepoint-protocol is built from $unwanted" >&2
        exit 1
    fi
done
if printf '%s\n' "$tree" | grep '^jiff ' | grep -q 'std'; then
    echo "bridgepoint-protocol is built with jiff's std feature, which has a clock and reads files" >&2
    exit 1
fi
if grep -rnE 'std::(fs|net|process|thread)|SystemTime|Instant::now' protocol/src >&2; then
    echo "bridgepoint-protocol touches the system (above)" >&2
    exit 1
fi
hub=$(cargo tree --package bridgepoint-hub --edges normal --prefix none)
if printf '%s\n' "$hub" | grep -q '^bridgepoint-hw '; then
    echo "bridgepoint-hub is built from bridgepoint-hw" >&2
    exit 1
fi
hw=$(cargo tree --package bridgepoint-hw --edges normal --prefix none)
if printf '%s\n' "$hw" | grep -q '^bridgepoint-protocol '; then
    echo "bridgepoint-hw is built from bridgepoint-protocol" >&2
    exit 1
fi
echo "pure: protocol, hw without protocol, hub without hw"
