"""Whole calls: the server's CPU per forwarded packet, sfud and Janus under the same bots, and a naive loop, in turns.

The bots join, send, receive, decrypt and count; what is compared is the CPU time of the server's process in the
plateau. Ratios are of one round, medians over rounds; the order changes from round to round. The naive loop
(bench_naive.py) then forwards as much as sfud did.

SPDX-License-Identifier: Apache-2.0
"""
import os
import shutil
import sys
import tempfile

import bench_call
import bench_clip
import bench_naive
from bench_figures import bars, short, spread, table, with_range

ROOT = bench_call.ROOT
PROCESS = {"sfud": "sfud-1", "janus": "janus"}
NAIVE_FIGURES = ("ns_per_packet", "packets_per_s", "cpu_share", "taken", "arrived")
NAIVE_KEEPS_UP = 0.98
FIGURES = ("ns_per_packet", "packets_per_s", "cpu_share", "mbit_per_s", "lost", "latency_ms_p99")
LOSS_MAX = 0.005  # more: the machine did not carry it


class Scenario:
    def __init__(self, title, file, size, quick_size, settings, note=""):
        self.title, self.file, self.size, self.quick_size = title, file, size, quick_size
        self.settings, self.note = settings, note


def viewers(size, clip):
    return {"groups.presenters.bots": 1, "groups.presenters.talk": "never", "groups.presenters.layers": 720,
            "groups.presenters.video-file": clip, "groups.audience.bots": size, "groups.audience.video-slots": 1,
            "groups.audience.watch-size": "1280x720"}


def audio(size, _):
    return {"groups.speakers.bots": 10, "groups.listeners.bots": size, "groups.*.audio-slots": 10, "groups.*.listen": "1%"}


def meeting(size, _):
    return {"groups.people.bots": size, "groups.people.listen": "1%"}


SCENARIOS = {
    "viewers": Scenario("1 publisher, {} viewers, 720p", "webinar", 120, 60, viewers),
    "audio": Scenario("10 speakers, {} listeners", "audio-room", 60, 30, audio),
    "meeting": Scenario("meeting of {}, 9 cameras each", "meeting", 16, 10, meeting,
                        "Janus has no slots: its bots subscribe to the nine cameras that the others show in slots, each at the "
                        "layer asked for"),
}


def add_options(parser):
    parser.add_argument("--quick", action="store_true", help="small rooms, three short rounds (about three minutes)")
    parser.add_argument("--only", default="viewers,audio,meeting", help="scenarios: viewers, audio, meeting (all)")
    parser.add_argument("--size", default="", metavar="NAME=N,…",
                        help="people of scenarios: viewers=500,audio=500,meeting=30 on a larger machine (viewers=120,audio=60,meeting=16)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each server is measured (5)")
    parser.add_argument("--seconds", type=int, default=8, help="measured in each run (8)")
    parser.add_argument("--workers", type=int, default=1, help="media threads of sfud (1)")


def figures_of(result, process):
    """What a run says about its server: None where it was not seen."""
    server = next((s for s in result["servers"] if s["name"] == process), None)
    got = bench_call.received(result)
    if server is None or not server["cpu_seconds"] or got["packets"] == 0:
        return None
    seconds = result["seconds"]["plateau"]
    latency = [result[kind]["latency_us"]["p99"] / 1000 for kind in ("audio", "video") if result[kind]["latency_us"]["count"]]
    return {"ns_per_packet": 1e9 * server["cpu_seconds"] / got["packets"], "packets": got["packets"],
            "packets_per_s": got["packets"] / seconds, "mbit_per_s": got["bytes"] * 8 / seconds / 1e6,
            "cpu_seconds": server["cpu_seconds"], "cpu_share": server["cpu_seconds"] / seconds,
            "lost": bench_call.lost_share(result), "latency_ms_p99": max(latency, default=0),
            "joined": result["joins"]["joined"], "wanted": result["joins"]["wanted"],
            "tester_share": result["tester"]["cpu_seconds"] / seconds, "tester_saturated": result["tester"]["saturated"],
            "traffic": bench_naive.traffic_of(result), "verdict": result["verdict"], "reasons": result["verdict_reasons"]}


def plan(options):
    wanted = [name for name in options.only.split(",") if name]
    size = bench_call.sizes(options.size)
    for name in (*wanted, *size):
        if name not in SCENARIOS:
            sys.exit(f"bench: no such scenario: {name}; there are: {', '.join(SCENARIOS)}")
    if options.rounds < 1 or options.seconds < 1 or not wanted:
        sys.exit("bench: one round of one second and one scenario at least")
    points = [(name, size.get(name, SCENARIOS[name].quick_size if options.quick else SCENARIOS[name].size)) for name in wanted]
    return points, (3, 5) if options.quick else (options.rounds, options.seconds)


def one_run(name, size, kind, server, options, seconds, clip):
    scenario = SCENARIOS[name]
    print(f"  {kind}: {scenario.title.format(size)}", file=sys.stderr)
    settings = {"joins": "40/s", "settle": "2s", "duration": f"{seconds}s", **scenario.settings(size, clip)}
    result = bench_call.hold_call(server, options.build, f"{ROOT}/loadtest/scenarios/{scenario.file}.yaml", settings)
    run = figures_of(result, PROCESS[kind])
    if run is None:
        sys.exit(f"bench: {kind}, {name}: nothing was forwarded: {result['verdict_reasons']}")
    return run


def naive_run(name, size, run, options, seconds):
    print(f"  naive: {SCENARIOS[name].title.format(size)}", file=sys.stderr)
    return bench_naive.run(options.build, run["traffic"], size, name == "viewers", seconds)


def summarise(points, rounds):
    summary = []
    for i, (name, size) in enumerate(points):
        runs = [r[i] for r in rounds]
        whole = [r for r in runs if all(is_whole(r[kind]) for kind in PROCESS)]
        summary.append({"scenario": name, "size": size, "title": SCENARIOS[name].title.format(size), "rounds_whole": len(whole),
                        **{kind: {f: spread([r[kind][f] for r in runs]) for f in FIGURES} for kind in PROCESS},
                        "naive": {f: spread([r["naive"][f] for r in runs]) for f in NAIVE_FIGURES},
                        "janus_over_sfud": over_sfud("janus", whole),
                        "naive_over_sfud": over_sfud("naive", [r for r in runs if is_whole(r["sfud"])]),
                        "troubles": sorted({t for r in runs for kind in PROCESS for t in troubles(kind, r[kind])} |
                                           {t for r in runs for t in naive_troubles(r["naive"])})})
    return summary


def over_sfud(kind, runs):
    return spread([r[kind]["ns_per_packet"] / r["sfud"]["ns_per_packet"] for r in runs]) if runs else None


def naive_troubles(run):
    if run["taken"] < NAIVE_KEEPS_UP:
        yield "the naive loop did not keep up with the publishers"
    if run["arrived"] < NAIVE_KEEPS_UP:
        yield "receivers of the naive loop did not get all that it sent: what is dropped is cheaper"


def is_whole(run):
    return run["joined"] == run["wanted"] and run["lost"] <= LOSS_MAX


def troubles(kind, run):
    """What a reader has to know of a run; where the call was not whole, its round has no ratio."""
    if run["joined"] < run["wanted"]:
        yield f"{kind}: {run['wanted'] - run['joined']} of {run['wanted']} did not join"
    if run["lost"] > LOSS_MAX:
        yield f"{kind}: more than {100 * LOSS_MAX:g} % of the packets lost; a smaller --size helps"
    if run["tester_saturated"]:
        yield f"with {kind} the bots had to wait for a CPU: latencies say nothing"


def run(options):
    points, (round_count, seconds) = plan(options)
    bench_call.check_build(options.build)
    bench_naive.check_build(options.build)
    if shutil.which("janus") is None:
        sys.exit("bench: janus is not installed: apt-get install janus")
    rounds = []
    with tempfile.NamedTemporaryFile(suffix=".ivf") as clip, bench_call.Cluster(options.build, options.workers) as cluster, \
            bench_call.Janus() as janus:
        with open(f"{ROOT}/tests/bench/trace-720p.txt") as trace:
            clip.write(bench_clip.ivf(trace.read()))
        clip.flush()
        servers = {"sfud": cluster, "janus": janus}
        for i in range(round_count):
            print(f"round {i + 1} of {round_count}", file=sys.stderr)
            order = list(servers) if i % 2 == 0 else list(reversed(servers))
            rounds.append([])
            for name, size in points:
                runs = {kind: one_run(name, size, kind, servers[kind], options, seconds, clip.name) for kind in order}
                rounds[-1].append({**runs, "naive": naive_run(name, size, runs["sfud"], options, seconds)})
    return {"workers": options.workers, "seconds": seconds, "cores": os.cpu_count(), "summary": summarise(points, rounds), "rounds": rounds}


def ratio(of, round_count):
    """Of the rounds in which the calls were whole; says so if not all were."""
    if of is None:
        return "no whole call"
    return with_range(of, "x") + (f" in {of['count']} rounds" if of["count"] < round_count else "")


def show(result):
    print(f"\n{bench_call.about(result)}")
    print(f"{len(result['rounds'])} rounds of {result['seconds']} s, in turns; ns of the server's CPU per packet that bots received; median [min-max]\n")
    rows = []
    for s in result["summary"]:
        pair = [s[kind] for kind in PROCESS]
        rows.append([s["title"], *(with_range(p["ns_per_packet"]) for p in (*pair, s["naive"])),
                     *(ratio(s[of], len(result["rounds"])) for of in ("janus_over_sfud", "naive_over_sfud")),
                     *(" / ".join(short(p[f]["median"] * scale) for p in pair)
                       for f, scale in (("packets_per_s", 1), ("mbit_per_s", 1), ("cpu_share", 100), ("latency_ms_p99", 1))),
                     " / ".join(f"{100 * p['lost']['max']:.3f}" for p in pair)])
    print(table(["", "sfud ns", "Janus ns", "naive ns", "Janus / sfud", "naive / sfud", "packets/s", "Mbit/s", "CPU %", "p99 ms", "lost %, worst"], rows))
    for s in result["summary"]:
        note = SCENARIOS[s["scenario"]].note
        for line in [*([note] if note else []), *s["troubles"]]:
            print(f"{s['scenario']}: {line}")


def plots(result):
    return {"ns": bars("CPU time of the server per packet received", [s["title"] for s in result["summary"]], ["sfud", "Janus", "naive"],
                       [[s[kind]["ns_per_packet"] for s in result["summary"]] for kind in (*PROCESS, "naive")], "ns")}
