#!/bin/sh
# janus.sh - a private Janus (Debian's package, VideoRoom over WebSocket) to compare with.
# SPDX-License-Identifier: Apache-2.0
set -eu

usage() {
    cat <<'END'
usage: tools/janus.sh [--full-ice] [--loops=N] [--rtp-ports=MIN-MAX] DIR PORT [ADDRESS]

Starts Janus in the foreground with a configuration of its own in DIR (made if it is not there):
the VideoRoom plugin and WebSockets at ADDRESS:PORT, nothing else. Prints the URL and its pid
before it becomes Janus; the log is DIR/janus.log.

  ADDRESS      of this machine; media goes there too. Without it: the first one that is not
               loopback, because Janus gathers no candidates on loopback interfaces.
  --full-ice   full ICE instead of ICE lite
  --loops=N    event loops for media; 0: one thread for each peer connection, which is Janus' own
               default. Without it: one for each processor. On two processors 300 listeners to five
               voices wait 6 ms with it and, behind 600 threads, 4 s without it.
  --rtp-ports  20000-39999 without it
END
}

fail() {
    echo "janus.sh: $1" >&2
    exit "$2"
}

ice_lite=true loops=$(nproc) ports=20000-39999
while [ $# -gt 0 ]; do
    case $1 in
    --full-ice) ice_lite=false ;;
    --loops=*) loops=${1#*=} ;;
    --rtp-ports=*) ports=${1#*=} ;;
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && exit 64 ;;
    *) break ;;
    esac
    shift
done
[ $# -eq 2 ] || [ $# -eq 3 ] || { usage >&2 && exit 64; }

command -v janus >/dev/null || fail "janus is not installed: apt-get install janus" 69
videoroom=$(find /usr/lib /usr/local/lib -path '*/janus/plugins/libjanus_videoroom.so' 2>/dev/null | head -n 1)
[ -n "$videoroom" ] || fail "Janus' VideoRoom plugin is not installed: apt-get install janus" 69
lib=${videoroom%/plugins/*}

mkdir -p "$1"
dir=$(cd "$1" && pwd)
port=$2
address=${3:-$(hostname -I | cut -d ' ' -f 1)}
[ -n "$address" ] || fail "this machine has no address but loopback: give one" 69

# Janus loads all that is in a folder, so its folders here have what is wanted and nothing else.
rm -rf "$dir/plugins" "$dir/transports" "$dir/none"
mkdir -p "$dir/plugins" "$dir/transports" "$dir/none"
ln -s "$lib/plugins/libjanus_videoroom.so" "$dir/plugins/"
ln -s "$lib/transports/libjanus_websockets.so" "$dir/transports/"

# event_loops 0 and a line that is left out mean the same to Janus
cat >"$dir/janus.jcfg" <<END
general: {
    configs_folder = "$dir"
    plugins_folder = "$dir/plugins"
    transports_folder = "$dir/transports"
    events_folder = "$dir/none"
    loggers_folder = "$dir/none"
    log_to_stdout = false
    log_to_file = "$dir/janus.log"
    debug_level = 3
    debug_colors = false
    debug_timestamps = true
    event_loops = $loops
}
media: {
    ipv6 = false
    rtp_port_range = "$ports"
}
nat: {
    ice_lite = $ice_lite
    ice_enforce_list = "$address"
}
END
cat >"$dir/janus.transport.websockets.jcfg" <<END
general: {
    json = "compact"
    ws = true
    ws_ip = "$address"
    ws_port = $port
    wss = false
}
END
cat >"$dir/janus.plugin.videoroom.jcfg" <<END
general: {
}
END

# each connection takes a few descriptors
ulimit -n "$(ulimit -Hn)"
echo "janus at ws://$address:$port (ice_lite=$ice_lite, event_loops=$loops, log $dir/janus.log), pid $$"
exec janus --config="$dir/janus.jcfg" --configs-folder="$dir"
