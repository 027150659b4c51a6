"""A join storm: how long joins take by stage, and DTLS handshakes per CPU second of sfud.

Bots in rooms of ten join within five seconds, as after an outage. The stages are the bots' own clock readings.

SPDX-License-Identifier: Apache-2.0
"""
import sys

import bench_call
from bench_figures import bars, short, spread, table, with_range

STORM_S = 5
STAGES = ("token", "tcp", "websocket", "join", "ice", "dtls", "first_packet", "total")
HANDSHAKES = "sfud_handshakes_completed_total"
FAILED = "sfud_handshakes_failed_total"
THREAD = "sfud-dtls"


def add_options(parser):
    parser.add_argument("--quick", action="store_true", help="100 people, three storms (half a minute)")
    parser.add_argument("--size", type=int, default=500, help="people, a multiple of ten (500)")
    parser.add_argument("--rounds", type=int, default=5, help="storms (5)")


def stages_of(result):
    """Milliseconds by stage and percentile; what nobody went through is left out."""
    return {stage: {f"p{p}": bench_call.percentile(h, p) / 1000 for p in bench_call.PERCENTILES}
            for stage in STAGES if (h := result["joins"]["stages"][stage])["count"]}


def storm(cluster, options, size):
    pid = cluster.pid("sfud-1")

    def reading():
        text = cluster.metrics("sfud-1")
        return {"cpu": bench_call.cpu_seconds(pid), "dtls_cpu": bench_call.cpu_seconds(pid, THREAD),
                "handshakes": bench_call.counter(text, HANDSHAKES), "failed": bench_call.counter(text, FAILED)}

    before = reading()
    result = bench_call.hold_call(cluster, options.build, f"{bench_call.ROOT}/tests/bench/join-storm.yaml",
                                  {"rooms": size // bench_call.PER_ROOM, "joins": f"{size / STORM_S:g}/s"})
    used = {key: value - before[key] for key, value in reading().items()}
    if used["handshakes"] == 0 or used["dtls_cpu"] == 0:
        sys.exit(f"bench: no handshake was counted: {result['joins']['failures']}")
    return {"stages_ms": stages_of(result), "wanted": result["joins"]["wanted"], "joined": result["joins"]["joined"],
            "failures": result["joins"]["failures"], "tester_saturated": result["tester"]["saturated"], **used,
            "handshakes_per_dtls_cpu_s": used["handshakes"] / used["dtls_cpu"], "handshakes_per_cpu_s": used["handshakes"] / used["cpu"]}


def summarise(rounds):
    stages = [stage for stage in STAGES if all(stage in r["stages_ms"] for r in rounds)]
    return {"stages_ms": {stage: {p: spread([r["stages_ms"][stage][p] for r in rounds]) for p in rounds[0]["stages_ms"][stage]}
                          for stage in stages},
            "wanted": sum(r["wanted"] for r in rounds), "joined": sum(r["joined"] for r in rounds),
            "handshakes_failed": sum(r["failed"] for r in rounds), "rounds_saturated": sum(r["tester_saturated"] for r in rounds),
            **{key: spread([r[key] for r in rounds]) for key in ("handshakes_per_dtls_cpu_s", "handshakes_per_cpu_s")}}


def run(options):
    size, rounds = bench_call.rounds_of_tens(options, "storm", lambda cluster, size: storm(cluster, options, size))
    return {"size": size, "seconds": STORM_S, "summary": summarise(rounds), "rounds": rounds}


def show(result):
    s = result["summary"]
    print(f"\n{bench_call.about(result)}")
    print(f"{len(result['rounds'])} storms of {result['size']} people in {result['seconds']} s; ms by stage, median of the storms [min-max]\n")
    names = [f"p{p}" for p in bench_call.PERCENTILES]
    print(table(["stage", *names], [[stage, *(with_range(of[p]) for p in names)] for stage, of in s["stages_ms"].items()]))
    print(f"\njoined: {s['joined']} of {s['wanted']}; handshakes that failed: {short(s['handshakes_failed'])}")
    print(f"DTLS handshakes per CPU second: {with_range(s['handshakes_per_dtls_cpu_s'])} of the thread {THREAD}, "
          f"{with_range(s['handshakes_per_cpu_s'])} of all of sfud, media of the calls included")
    if s["rounds_saturated"]:
        print(f"in {s['rounds_saturated']} storms the bots had to wait for a CPU: stages are longer than they would be")


def plots(result):
    stages = result["summary"]["stages_ms"]
    names = [f"p{p}" for p in bench_call.PERCENTILES]
    return {"ms": bars(f"{result['size']} joins in {result['seconds']} s, by stage", list(stages), names,
                       [[of[p] for of in stages.values()] for p in names], "ms")}
