"""Signaling: joins, and messages about them, per CPU second of signald.

Bots join and neither send nor receive media. In rooms of ten a join is nearly all that is paid for; in one room of n
each join is told to everybody there, n (n - 1) / 2 messages in all.

SPDX-License-Identifier: Apache-2.0
"""
import sys

import bench_call
from bench_figures import bars, spread, table, with_range

JOINS_PER_S = 100
FIGURES = ("joins_per_cpu_s", "messages_per_cpu_s", "cpu_seconds")


def add_options(parser):
    parser.add_argument("--quick", action="store_true", help="100 people, three rounds (a minute)")
    parser.add_argument("--size", type=int, default=200, help="people, a multiple of ten (200)")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything runs (5)")


def cases(size):
    """(name, rooms, people in each)"""
    return [(f"rooms of {bench_call.PER_ROOM}", size // bench_call.PER_ROOM, bench_call.PER_ROOM), (f"one room of {size}", 1, size)]


def messages(rooms, people):
    """The answer to each join, and to each who was there before: somebody came."""
    return rooms * (people + people * (people - 1) // 2)


def cpu_until_the_end(result, server):
    """CPU seconds of a server from the first join to the end of the plateau: leaving is not in it."""
    series, begun, total = result["series"], 0.0, 0.0
    for at, phase, share in zip(series["t"], series["phase"], series["servers"][server]["cpu"]):
        if phase in ("ramp", "settle", "plateau") and share is not None:
            total += share * (at - begun)
        begun = at
    return total


def one_run(cluster, options, rooms, people):
    result = bench_call.hold_call(cluster, options.build, f"{bench_call.ROOT}/loadtest/scenarios/idle.yaml",
                                  {"rooms": rooms, "groups.idlers.bots": people, "joins": f"{JOINS_PER_S}/s", "settle": "1s",
                                   "duration": "2s"})
    joins, cpu = result["joins"], cpu_until_the_end(result, "signald-1")
    if joins["joined"] < joins["wanted"] or cpu == 0:
        sys.exit(f"bench: {joins['joined']} of {joins['wanted']} joined: {joins['failures']}")
    return {"joins": joins["joined"], "cpu_seconds": cpu, "joins_per_cpu_s": joins["joined"] / cpu,
            "messages_per_cpu_s": messages(rooms, people) / cpu}


def run(options):
    size, rounds = bench_call.rounds_of_tens(options, "round", lambda cluster, size: {
        name: one_run(cluster, options, rooms, people) for name, rooms, people in cases(size)})
    return {"size": size, "rounds": rounds,
            "summary": [{"case": name, "joins": rooms * people, "messages": messages(rooms, people),
                         **{f: spread([r[name][f] for r in rounds]) for f in FIGURES}} for name, rooms, people in cases(size)]}


def show(result):
    print(f"\n{bench_call.about(result)}")
    print(f"{len(result['rounds'])} rounds; CPU of signald from the first join on; median [min-max]\n")
    print(table(["", "joins", "messages", "CPU s", "joins per CPU s", "messages per CPU s"],
                [[s["case"], str(s["joins"]), str(s["messages"]), *(with_range(s[f]) for f in ("cpu_seconds", "joins_per_cpu_s",
                                                                                           "messages_per_cpu_s"))]
                 for s in result["summary"]]))


def plots(result):
    return {"rate": bars("Per CPU second of signald", [s["case"] for s in result["summary"]], ["joins", "messages"],
                         [[s[f] for s in result["summary"]] for f in ("joins_per_cpu_s", "messages_per_cpu_s")], "1/s")}
