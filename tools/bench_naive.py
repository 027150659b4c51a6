"""The naive loop with the traffic of a whole call: libsrtp2, one sendto() for each packet and receiver, over loopback.

What one writes first (tests/bench/run_naive.c), with as many packets in a second from publishers, as many receivers
for each, and payloads as long as in the call; receivers are sockets that a thread of the same program empties.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TRACE = f"{ROOT}/tests/bench/trace-720p.txt"
FPS = 30  # of a trace
PART_MAX = 1150  # of a frame in one packet
WARM_UP_S = 0.5


def binary_of(build):
    return f"{build}/tests/bench/conclave-bench"


def check_build(build):
    if not os.path.exists(binary_of(build)):
        sys.exit(f"bench: {binary_of(build)} is not there; ./dev bench builds it")


def traffic_of(result):
    """Of a run of the bots: people, RTP packets sent and received in a second of the plateau, bytes of a payload."""
    seconds = result["seconds"]["plateau"]
    sent, got = ({of: result["audio"][way][of] + result["video"][way][of] for of in ("packets", "bytes")} for way in ("sent", "received"))
    return {"people": result["joins"]["joined"], "sent_per_s": sent["packets"] / seconds,
            "received_per_s": got["packets"] / seconds, "payload": got["bytes"] / max(got["packets"], 1)}


def arguments(traffic, receivers, trace):
    """Options of conclave-bench, and the text of its trace: the trace itself to all receivers, if it is what was sent; else packets one by
    one, of the mean size, each to as many as got one on average."""
    if trace is not None:
        return ["--viewers", receivers], trace
    size = min(max(round(traffic["payload"]), 1), PART_MAX)
    return ["--viewers", traffic["people"], "--fan-out", f"{traffic['received_per_s'] / traffic['sent_per_s']:.4f}",
            "--speed", f"{traffic['sent_per_s'] / FPS:.4f}"], f"{size} K\n"


def run(build, traffic, receivers, is_trace, seconds):
    """Its figures; receivers and is_trace: everybody of those was sent the trace."""
    with open(TRACE) as f, tempfile.NamedTemporaryFile("w", suffix=".txt") as trace:
        options, text = arguments(traffic, receivers, f.read() if is_trace else None)
        trace.write(text)
        trace.flush()
        command = [binary_of(build), "naive", "--loopback", "--listen", "127.0.0.1", "--trace", trace.name,
                   "--offer", f"{ROOT}/tests/vectors/sdp/chromium-offer.sdp", "--warm-up", WARM_UP_S, "--seconds", seconds, *options]
        command = [str(word) for word in command]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(command)}: {done.stderr}")
    figures = json.loads(done.stdout)
    if figures["forwarded"] == 0:
        sys.exit(f"bench: {' '.join(command)}: nothing was forwarded: {figures}")
    return {"ns_per_packet": figures["ns_per_packet"], "packets_per_s": figures["forwarded"] / figures["wall_s"],
            "cpu_share": figures["load"], "taken": figures["packets_in"] / max(figures["published"], 1),
            "arrived": figures["arrived"] / figures["forwarded"]}
