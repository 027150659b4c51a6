"""A soak: hours of calls at a steady load, joins and leaves going on; memory, descriptors, losses, and a verdict.

Rooms of four who stay and six who come and go (tests/bench/soak.yaml), as many as load the media thread as asked. A
few calls of some seconds find out how many; one with more rooms than that takes pools and heaps to a high that the
soak does not reach, because what they once touched they keep. The verdict is judge()'s.

SPDX-License-Identifier: Apache-2.0
"""
import math
import statistics
import sys
import time

import bench_call
from bench_figures import curves, fit_line, short, table

SCENARIO = f"{bench_call.ROOT}/tests/bench/soak.yaml"
SERVICE = "sfud-1"
PEOPLE = 10  # of a room
JOINS_PER_S, SETTLE_S = 20, 5
TRIAL_S, TRIALS_MAX, ROOMS_FIRST = 8, 5, 4
GROWTH_MAX = 2  # of the number of rooms, at once
PEAK, PEAK_S = 1.4, 15  # rooms before the soak, of those in it
STEP_S = 10  # between samples
EMPTY_WITHIN_S = 60  # after the bots have left: those whose leaving got lost are forgotten after 30 s
LOAD_NEAR = 0.1  # of the load asked for, as a share: near enough when looking for the number of rooms
LOAD_LEAST = 0.8  # of the load asked for: below, the soak was none
# 64 KB/min are 2.7 GB in the thirty days that a node may run: what a node of 4 GB bears. The least that matters to find
# is less than that: at 60 % load some 300 people join in a minute, so that 64 KB/min are 0.2 KB for each, less than 1 % of
# what an idle participant takes.
SLOPE_MAX_KB_PER_MIN = 64
# A pool or heap that reaches a new high once takes pages and keeps them; in a short soak that is a steep slope over a
# short time. As much as 2 viewers with nine videos is no leak yet.
RISE_FREE_KB = 400
# What says that sfud lost something: prefix of a sample's name, whatever its labels.
LOST = ("sfud_udp_dropped_total", 'sfud_packets_dropped_total{reason="full"}', 'sfud_packets_unsent_total{reason="full"}',
        "sfud_rtp_lost_total", "sfud_events_dropped_total", "sfud_association_datagrams_dropped_total")
GAUGES = {"participants": "sfud_participants", "rooms": "sfud_rooms", "encodings": "sfud_encodings",
          "cached_packets": "sfud_cached_packets", "associations": "sfud_associations"}
PROCESS = {"rss_kb": "VmRSS", "threads": "Threads"}


def add_options(parser):
    parser.add_argument("--minutes", type=float, default=30, help="how long (30)")
    parser.add_argument("--load", type=float, default=60, help="percent of a core that the media thread shall take (60)")
    parser.add_argument("--rooms", type=int, default=0, help="so many rooms of ten, instead of looking for the load")


# ---------------------------------------------------------------- samples

def families(text):
    """Samples of an exposition by name and labels, without the worker's, added up."""
    ret = {}
    for line in text.split("\n"):
        if not line or line.startswith("#"):
            continue
        name, _, value = line.rpartition(" ")
        family, _, labels = name.partition("{")
        kept = [label for label in labels.rstrip("}").split(",") if label and not label.startswith("worker=")]
        key = family + ("{" + ",".join(kept) + "}" if kept else "")
        ret[key] = ret.get(key, 0.0) + float(value)
    return ret


def lost(samples):
    return {key: value for key, value in samples.items() if any(key == p or key.startswith(p + "{") for p in LOST)}


def status(pid, key):
    with open(f"/proc/{pid}/status") as f:
        return int(next(line.split()[1] for line in f if line.startswith(key + ":")))


def sample(cluster):
    pid, samples = cluster.pid(SERVICE), families(cluster.metrics(SERVICE))
    return {"at": time.monotonic(), **{key: status(pid, name) for key, name in PROCESS.items()},
            "descriptors": int(samples["process_open_fds"]), "cpu": samples["sfud_worker_cpu_seconds_total"],
            "forwarded": samples["sfud_rtp_forwarded_total"], "joined": samples["sfud_handshakes_completed_total"],
            **{key: int(samples[name]) for key, name in GAUGES.items()}, "lost": lost(samples)}


def lost_since(first, last):
    """Counters of losses that rose, by how much."""
    return {key: int(rose) for key, value in last["lost"].items() if (rose := value - first["lost"].get(key, 0)) > 0}


def empty_sample(cluster):
    """When everybody has left and been forgotten; or what is there when that takes too long."""
    deadline = time.monotonic() + EMPTY_WITHIN_S
    while (now := sample(cluster))["participants"] + now["associations"] > 0 and time.monotonic() < deadline:
        time.sleep(0.5)
    return now


# ---------------------------------------------------------------- calls

def call(cluster, options, rooms, seconds, every_s):
    """(result of the bots, samples of the plateau)"""
    taken = []
    begun = time.monotonic()
    result = bench_call.hold_call(cluster, options.build, SCENARIO,
                                  {"rooms": rooms, "joins": f"{JOINS_PER_S}/s", "settle": f"{SETTLE_S}s", "duration": f"{seconds:g}s"},
                                  lambda: taken.append(sample(cluster)), every_s)
    first = begun + result["seconds"]["ramp"] + result["seconds"]["settle"]
    return result, [s for s in taken if first <= s["at"] <= first + result["seconds"]["plateau"]]


def loads(samples):
    """Of the media thread, between each two samples."""
    return [(b["cpu"] - a["cpu"]) / (b["at"] - a["at"]) for a, b in zip(samples, samples[1:])]


def rooms_for(cluster, options):
    """As many rooms as load the media thread as asked, or as the bots can carry."""
    if options.rooms:
        return options.rooms
    rooms, carried = ROOMS_FIRST, 1
    for _ in range(TRIALS_MAX):
        result, samples = call(cluster, options, rooms, TRIAL_S, 1)
        load, saturated = statistics.median(loads(samples) or [0]), result["tester"]["saturated"]
        print(f"{rooms} rooms: the media thread is busy {100 * load:.0f} %{', the bots want for a CPU' * saturated}", file=sys.stderr)
        better = next_rooms(rooms, carried, load / (options.load / 100), saturated)
        if better == rooms:
            return rooms
        carried = carried if saturated else max(carried, rooms)
        rooms = better
    return rooms


def next_rooms(rooms, carried, share, saturated):
    """After a trial: rooms, if that will do; carried: the most that bots are known to carry; share: of the load wanted."""
    if saturated and rooms > 1:
        return max((carried + rooms) // 2 if carried < rooms else rooms // 2, 1)
    if abs(share - 1) <= LOAD_NEAR:
        return rooms
    return max(1, round(rooms * min(1 / max(share, 0.01), GROWTH_MAX)))


# ---------------------------------------------------------------- the verdict

def memory_line(samples):
    """Of the second half: KB per minute, and what that is over that half."""
    half = samples[len(samples) // 2:]
    line = fit_line([((s["at"] - samples[0]["at"]) / 60, s["rss_kb"]) for s in half])
    if line is None:
        return None
    minutes = (half[-1]["at"] - half[0]["at"]) / 60
    return {**line, "rise_kb": line["slope"] * minutes, "minutes": minutes}


def bots_missed(result):
    """Packets that never came to the bots, less those that the bots' own sockets dropped."""
    missed = sum(result[kind]["loss"]["after"] * result[kind]["loss"]["expected"] for kind in ("audio", "video"))
    return max(0, round(missed) - result["tester"]["socket_drops"])


def judge(soak, load_wanted):
    """Why it failed; nothing if it passed. soak: before and after (samples without anybody), samples, and of the bots
    missed, wanted, joined."""
    before, after, samples = soak["before"], soak["after"], soak["samples"]
    line, load = memory_line(samples), statistics.median(loads(samples) or [0])
    reasons = []
    if line is None:
        reasons.append("too short: no line through fewer than two samples")
    elif line["slope"] > SLOPE_MAX_KB_PER_MIN and line["rise_kb"] > RISE_FREE_KB:
        reasons.append(f"memory rises: {line['slope']:.0f} KB/min over the second half, more than {SLOPE_MAX_KB_PER_MIN}")
    for key in ("descriptors", "threads"):
        if before[key] != after[key]:
            reasons.append(f"{key}: {before[key]} before anybody came, {after[key]} when all had left")
    reasons += [f"{key}: {after[key]} left when all had left" for key in GAUGES if after[key] > 0]
    reasons += [f"lost by sfud: {key} rose by {rose}" for key, rose in lost_since(before, after).items()]
    if soak["missed"] > 0:
        reasons.append(f"bots missed {soak['missed']} packets that their own sockets did not drop")
    if soak["joined"] < soak["wanted"]:
        reasons.append(f"{soak['wanted'] - soak['joined']} of {soak['wanted']} did not join")
    if load < LOAD_LEAST * load_wanted:
        reasons.append(f"the media thread was busy {100 * load:.0f} % of its time instead of {100 * load_wanted:.0f} %")
    return reasons


# ---------------------------------------------------------------- all of it

def run(options):
    if options.minutes * 60 < 4 * STEP_S or not 0 < options.load < 100 or options.rooms < 0:
        sys.exit(f"bench: --minutes is {4 * STEP_S / 60:.2g} at least, --load a percentage")
    bench_call.check_build(options.build)
    with bench_call.Cluster(options.build) as cluster:
        rooms = rooms_for(cluster, options)
        call(cluster, options, math.ceil(PEAK * rooms), PEAK_S, 1)
        before = empty_sample(cluster)
        print(f"{rooms} rooms for {options.minutes:g} minutes", file=sys.stderr)
        result, samples = call(cluster, options, rooms, options.minutes * 60, STEP_S)
        after = empty_sample(cluster)
    soak = {"before": before, "after": after, "samples": samples, "missed": bots_missed(result),
            "wanted": result["joins"]["wanted"], "joined": result["joins"]["joined"]}
    return {"minutes": options.minutes, "load_wanted": options.load / 100, "rooms": rooms, **soak,
            "load": statistics.median(loads(samples) or [0]), "memory": memory_line(samples),
            "joins_started": result["joins"]["started"], "join_failures": result["joins"]["failures"],
            "received": bench_call.received(result), "tester": {k: result["tester"][k] for k in ("socket_drops", "saturated", "reasons")},
            "reasons": judge(soak, options.load / 100)}


def minute(result, s):
    return (s["at"] - result["samples"][0]["at"]) / 60


def shown(samples, count=16):
    """As many as a table bears, evenly."""
    step = max(1, -(-len(samples) // count))
    return samples[::step]


def show(result):
    print(f"\n{bench_call.about(result)}")
    print(f"{result['rooms']} rooms of {PEOPLE}, {result['minutes']:g} minutes; the media thread busy {100 * result['load']:.0f} % "
          f"(asked: {100 * result['load_wanted']:.0f} %); {result['joins_started']} joins, "
          f"{short(result['after']['forwarded'] - result['before']['forwarded'])} packets forwarded\n")
    columns = ("rss_kb", "descriptors", "threads", "participants", "encodings", "cached_packets", "associations")

    def row(name, s):
        return [name, *(f"{s[c]:,}" for c in columns), str(sum(lost_since(result["before"], s).values()))]

    print(table(["minute", *(c.replace("_", " ") for c in columns), "lost"],
                [row("before", result["before"]), *(row(f"{minute(result, s):.1f}", s) for s in shown(result["samples"])),
                 row("after", result["after"])]))
    line = result["memory"]
    if line:
        print(f"\nmemory over the second half: {line['slope']:+.1f} KB/min ({line['rise_kb']:+.0f} KB in {line['minutes']:.1f} minutes; "
              f"more than {SLOPE_MAX_KB_PER_MIN} KB/min and {RISE_FREE_KB} KB fail)")
    if result["tester"]["saturated"] or result["tester"]["socket_drops"]:
        print(f"the bots: {'; '.join(result['tester']['reasons'])}; {result['tester']['socket_drops']} packets dropped in their own sockets")
    print("\nPASSED" if not result["reasons"] else "\nFAILED")
    for reason in result["reasons"]:
        print(f"  {reason}")


def plots(result):
    points = [(minute(result, s), s["rss_kb"] / 1024) for s in result["samples"]]
    series, line = [("resident", points, "line")], result["memory"]
    if line:
        half = points[len(points) // 2:]
        series.append(("second half", [(x, (line["intercept"] + line["slope"] * x) / 1024) for x in (half[0][0], half[-1][0])], "dashes"))
    return {"memory": curves("Resident memory of sfud", series, "minutes", "MB")}


def passed(result):
    return not result["reasons"]
