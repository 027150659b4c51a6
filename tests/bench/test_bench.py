#!/usr/bin/env python3
"""conclave-bench, each forwarder for a moment: every packet of the publisher goes to every viewer, and out.

Not about speed. Skipped (77) where no network namespace or no device that drops can be made.

test_bench.py CONCLAVE-BENCH TRACE OFFER [IO]

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess
import sys

ADDRESS = "10.255.255.254"
VIEWERS = 7
SKIPPED = 77


def make_sink():
    for kind in ("ifb", "dummy"):
        if subprocess.run(["ip", "link", "add", "sink", "type", kind], capture_output=True).returncode == 0:
            for command in (["link", "set", "lo", "up"], ["link", "set", "sink", "up"],
                            ["addr", "add", f"{ADDRESS}/8", "dev", "sink"]):
                subprocess.run(["ip", *command], check=True)
            return True
    return False


def run(what, *more):
    done = subprocess.run([sys.argv[1], what, "--listen", ADDRESS, "--trace", sys.argv[2], "--offer", sys.argv[3],
                           "--viewers", str(VIEWERS), "--warm-up", "0.5", "--seconds", "1", *more],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def expect(figures, key, wanted, slack):
    assert abs(figures[key] - wanted) <= slack, f"{key}: {figures[key]} instead of {wanted}: {figures}"


def main():
    if not os.environ.get("BENCH_NAMESPACE"):
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        if subprocess.run(["unshare", *user, "--net", "true"], capture_output=True).returncode != 0:
            sys.exit(SKIPPED)
        os.execvpe("unshare", ["unshare", *user, "--net", sys.executable, *sys.argv],
                   {**os.environ, "BENCH_NAMESPACE": "1"})
    if not make_sink():
        sys.exit(SKIPPED)
    frame = 40 * VIEWERS  # what may be on its way when counters are read: a keyframe
    for io in ("uring", "epoll"):
        for more in ([], ["--sha1"], ["--no-gso"], ["--seal", "openssl"]):
            f = run("sfud", "--rooms", "2", "--io", io, "--no-bandwidth-control", *more)
            assert f["forwarded"] > 0 and f["unsent"] == f["send_failed"] == 0 and f["resident_bytes"] > 0, f
            expect(f, "forwarded", f["published"] * VIEWERS, 2 * frame)
            expect(f, "sink_packets", f["sends"], 2 * frame)
            expect(f, "burst_mean", f["datagrams_out"] / f["sends"], 0.01)
            assert not more == ["--no-gso"] or f["burst_mean"] == 1, f
    for what, more, burst in (("naive", [], 1), ("bare", ["--burst", "3.5"], 3.5), ("bare", ["--burst", "0"], 9.5)):
        f = run(what, *more)
        assert f["forwarded"] > 0 and f["send_failed"] == 0, f
        expect(f, "forwarded", f["packets_in"] * VIEWERS, frame)
        expect(f, "sink_packets", f["sends"], frame)
        expect(f, "burst_mean", burst, 1 if burst > 9 else 0.5)
    for more, fan_out in ((["--speed", "0.5"], VIEWERS), (["--fan-out", "2.5"], 2.5)):
        f = run("naive", "--loopback", *more)
        assert f["published"] > 0 and f["send_failed"] == f["sink_packets"] == 0, f
        expect(f, "forwarded", f["packets_in"] * fan_out, frame)
        expect(f, "arrived", f["forwarded"], frame)
    for more in ([], ["--sha1"], ["--seal", "openssl"]):
        f = run("seal", "--seconds", "0.01", "--warm-up", "0", *more)
        assert all(case["ns"] > 0 for case in f["cases"]) and {case["payload"] for case in f["cases"]} == {100, 1100}, f
        assert more[:1] != ["--seal"] or f["engine"] == "openssl", f


if __name__ == "__main__":
    main()
