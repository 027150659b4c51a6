"""Cost per viewer as one room grows: CPU of the media thread and memory of sfud, each with the line through them.

One publisher in real time, N viewers whose packets a device drops, as in `forward`. The line is fitted to the medians
of the rounds, errors as shares of each value, so that ten viewers weigh as much as two thousand. What does not fit one
core is left out of it, and named.

SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import statistics
import sys

import bench_forward
from bench_figures import curves, fit_line, short, spread, table, with_range

VIEWERS = (10, 20, 50, 100, 200, 500, 1000, 2000)
FIGURES = ("ns_per_packet", "cpu_ms_per_s", "burst_mean", "latency_us_p50", "latency_us_p99", "resident_kb")
LINES = {"cpu": "cpu_ms_per_s", "memory": "resident_kb"}


def add_options(parser):
    parser.add_argument("--viewers", default=",".join(map(str, VIEWERS)), help="in turns (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="three rounds of 2 s (two minutes)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (5)")
    parser.add_argument("--seconds", type=float, default=4, help="measured in each run (4)")
    parser.add_argument("--io", default="uring", choices=("uring", "epoll"), help="sfud's backend")
    parser.add_argument("--seal", default="auto", choices=("auto", "ipsec-mb", "openssl"), help="what encrypts")
    parser.set_defaults(sha1=False, no_gso=False, no_bandwidth_control=False, against="", rooms=1)


def plan(options):
    if not re.fullmatch(r"[1-9][0-9]{0,4}(,[1-9][0-9]{0,4})+", options.viewers):
        sys.exit(f"bench: --viewers wants two numbers at least, with commas between, not {options.viewers}")
    if options.rounds < 1 or options.seconds <= 0:
        sys.exit("bench: one round at least, of more than no time")
    return sorted({int(n) for n in options.viewers.split(",")}), (3, 2) if options.quick else (options.rounds, options.seconds)


def figures_of(viewers, run):
    """What one run says. CPU is of so many packets as the publisher sends on average: a window has one keyframe or none."""
    return {**{key: run[key] for key in ("ns_per_packet", "burst_mean", "latency_us_p50", "latency_us_p99", "busy")},
            "cpu_ms_per_s": run["ns_per_packet"] * bench_forward.PACKETS_PER_S * viewers / 1e6,
            "resident_kb": run["resident_bytes"] / 1024, "taken": run["packets_in"] / max(run["published"], 1),
            "lost": sum(run[key] for key in ("unsent", "send_failed", "rx_overflow"))}


def fits_a_core(run):
    return run["busy"] < bench_forward.SATURATED and run["taken"] >= bench_forward.KEEPS_UP


def summarise(viewers, rounds):
    """Points, those left out, and the lines. A point stands if most of its rounds fitted a core, and is of those."""
    points, left_out = [], []
    for n in viewers:
        runs = [r[n] for r in rounds]
        good = [r for r in runs if fits_a_core(r)]
        if 2 * len(good) <= len(runs):
            left_out.append({"viewers": n, "busy": statistics.median(r["busy"] for r in runs),
                             "taken": statistics.median(r["taken"] for r in runs)})
            continue
        points.append({"viewers": n, "rounds": len(good), "lost": sum(r["lost"] for r in good),
                       **{f: spread([r[f] for r in good]) for f in FIGURES}})
    lines = {name: fit_line([(p["viewers"], p[figure]["median"]) for p in points], relative=True) for name, figure in LINES.items()}
    return {"points": points, "left_out": left_out, "lines": lines}


def run(options):
    viewers, (round_count, seconds) = plan(options)
    if not os.path.exists(bench_forward.binary_of(options.build)):
        sys.exit(f"bench: {bench_forward.binary_of(options.build)} is not there; ./dev bench builds it")
    bench_forward.enter_namespace()
    device = bench_forward.make_sink()
    bench = bench_forward.Bench(options)
    rounds = []
    for i in range(round_count):
        print(f"round {i + 1} of {round_count}", file=sys.stderr)
        order = viewers if i % 2 == 0 else viewers[::-1]  # what warms up or slows down meanwhile is no slope
        rounds.append({n: figures_of(n, bench.sfud(n, 1, seconds, participants=viewers[-1] + 1)) for n in order})
    return {"device": device, "io": options.io, "seconds": seconds, **summarise(viewers, rounds), "rounds": rounds}


def line_text(what, line, slope, intercept):
    if line is None:
        return f"{what}: no line through fewer than two points"
    return (f"{what}: {slope} for each viewer, {intercept} for the room and the process; "
            f"farthest from the line: {100 * line['deviation_max']:.1f} % at {line['deviation_at']} viewers")


def show(result):
    e, lines = result["environment"], result["lines"]
    print(f"\n{e['cpu']}, {e['cores']} cores, Linux {e['kernel']}, load average {e['load_average']:.2f} at the start, "
          f"commit {e['commit']}{' and changes' if e['changed'] else ''}")
    print(f"sink {result['device']}, backend {result['io']}, {len(result['rounds'])} rounds of {result['seconds']} s; median [min-max]\n")
    rows = [[str(p["viewers"]), with_range(p["cpu_ms_per_s"]), short(1000 * p["cpu_ms_per_s"]["median"] / p["viewers"]),
             with_range(p["ns_per_packet"]), f"{p['burst_mean']['median']:.2f}",
             " / ".join(short(p[f"latency_us_{q}"]["median"]) for q in ("p50", "p99")),
             short(p["resident_kb"]["median"] / 1024), str(p["lost"]), f"{p['rounds']} of {len(result['rounds'])}"]
            for p in result["points"]]
    print(table(["viewers", "CPU ms/s", "us per viewer and s", "ns per packet", "burst", "us p50 / p99", "resident MB", "lost", "rounds"],
                rows))
    for p in result["left_out"]:
        print(f"{p['viewers']} viewers: left out, more than one core can do: busy {100 * p['busy']:.0f} % of its time, "
              f"{100 * p['taken']:.0f} % of the publisher's packets were taken")
    print()
    for name, what, unit in (("cpu", "CPU of the media thread", ("us/s", 1000, "ms/s", 1)),
                             ("memory", "resident memory", ("KB", 1, "MB", 1 / 1024))):
        line, (small, small_scale, large, large_scale) = lines[name], unit
        print(line_text(what, line, f"{line['slope'] * small_scale:.4g} {small}" if line else "",
                        f"{line['intercept'] * large_scale:.3g} {large}" if line else ""))


def plots(result):
    ret = {}
    for name, title, unit, scale in (("cpu", "CPU of the media thread", "ms/s", 1),
                                     ("memory", "Resident memory of sfud", "MB", 1 / 1024)):
        dots = [(p["viewers"], p[LINES[name]]["median"] * scale) for p in result["points"]]
        line = result["lines"][name]
        series = [("measured", dots, "dots")]
        if line is not None:
            ends = (0, dots[-1][0])
            series.append(("line", [(x, (line["intercept"] + line["slope"] * x) * scale) for x in ends], "dashes"))
        ret[name] = curves(f"{title}, by viewers of one publisher", series, "viewers", unit)
    return ret
