"""The cipher alone: CPU per packet sealed and opened by each engine, in turns.

200 viewers' keys round robin, one thread, no socket; a burst is so many packets that are sealed together.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess
import sys

from bench_figures import bars, spread, table, with_range

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ENGINES = ("ipsec-mb", "openssl")
PROFILES = {"AES-128-GCM": [], "AES-CM, HMAC-SHA1": ["--sha1"]}


def add_options(parser):
    parser.add_argument("--rounds", type=int, default=5, help="how often everything runs (5)")
    parser.add_argument("--seconds", type=float, default=0.1, help="measured of each case (0.1)")
    parser.add_argument("--viewers", type=int, default=200, help="keys (200)")


def measure(options, engine, flags):
    command = [f"{options.build}/tests/bench/conclave-bench", "seal", "--listen", "127.0.0.1",
               "--trace", f"{ROOT}/tests/bench/trace-720p.txt", "--offer", f"{ROOT}/tests/vectors/sdp/chromium-offer.sdp",
               "--viewers", str(options.viewers), "--seconds", str(options.seconds), "--warm-up", "0.02",
               "--seal", engine, *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(command)}: {done.stderr}")
    return json.loads(done.stdout)


def run(options):
    if subprocess.run([f"{options.build}/tests/bench/conclave-bench", "seal"], capture_output=True).returncode != 64:
        sys.exit(f"bench: {options.build} has no conclave-bench; ./dev bench builds it")
    rounds = [{profile: {engine: measure(options, engine, flags) for engine in ENGINES}
               for profile, flags in PROFILES.items()} for _ in range(options.rounds)]
    summary = []
    for profile in PROFILES:
        first = rounds[0][profile][ENGINES[0]]
        for i, case in enumerate(first["cases"]):
            ns = {e: [r[profile][e]["cases"][i]["ns"] for r in rounds] for e in ENGINES}
            summary.append({"profile": profile, **{k: case[k] for k in ("what", "payload", "burst")},
                            **{e: spread(ns[e]) for e in ENGINES},
                            "ratio": spread([o / m for m, o in zip(ns["ipsec-mb"], ns["openssl"])])})
    return {"code": rounds[0]["AES-128-GCM"]["ipsec-mb"]["code"], "viewers": options.viewers, "summary": summary}


def name(s):
    return f"{s['what']} {s['payload']}" + (f" x{s['burst']}" if s["burst"] > 1 else "")


def show(result):
    e = result["environment"]
    print(f"\n{e['cpu']}, load average {e['load_average']:.2f} at the start, commit {e['commit']}; ipsec-mb uses {result['code']}; "
          f"{result['viewers']} keys; ns of CPU per packet, median [min-max]\n")
    print(table(["profile", "", "payload", "in a burst", *(f"{e} ns" for e in ENGINES), "openssl / ipsec-mb"],
                [[s["profile"], s["what"], str(s["payload"]), str(s["burst"]), *(with_range(s[e]) for e in ENGINES),
                  with_range(s["ratio"], "x")] for s in result["summary"]]))


def plots(result):
    gcm = [s for s in result["summary"] if s["profile"] == "AES-128-GCM" or s["payload"] == 1100]
    groups = [("GCM " if s["profile"] == "AES-128-GCM" else "SHA1 ") + name(s) for s in gcm]
    return {"ns": bars("CPU time per packet, sealed or opened", groups, list(ENGINES), [[s[e] for s in gcm] for e in ENGINES], "ns")}
