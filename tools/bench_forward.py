"""CPU per forwarded packet of one media thread: sfud, the naive loop, and the bare loop, in turns.

Every figure is of one process that ran alone in a network namespace whose device drops what viewers are sent.
One round runs everything once; ratios are of one round; medians are over rounds.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import subprocess
import sys
import tempfile

from bench_figures import bars, short, spread, table, with_range

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ADDRESS = "10.255.255.254"  # the forwarder's; viewers are the rest of 10.0.0.0/8
PACKETS_PER_S = 284  # of the trace
SOUND_SPEED = 10  # trace-sound.txt: about as six who speak, 300 packets/s, each alone
SATURATED = 0.95  # share of the time that the thread is busy
KEEPS_UP = 0.97  # with publishers, or else it is saturated
ROOMS_MAX = 1000
GROWTH_MAX = 3  # of the number of rooms, at once, while it is looked for
PEOPLE_MAX = 12000
FIGURES = ("ns_per_packet", "packets_per_cpu_s", "load", "busy", "burst_mean", "latency_us_p50", "latency_us_p99",
           "latency_us_p999")
VARIANTS = ("epoll", "openssl", "no-gso", "no-bandwidth-control", "no-window", "sha1")
MEDIA_THREAD = "sfud-w0"
IN_NAMESPACE = "CONCLAVE_BENCH_NAMESPACE"


def add_options(parser):
    parser.add_argument("--quick", action="store_true", help="500 viewers, saturated, three short rounds: half a minute")
    parser.add_argument("--viewers", default="50,500,2000", help="viewers of each publisher, in turns (50,500,2000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything runs (5)")
    parser.add_argument("--seconds", type=float, default=4, help="measured in each run (4)")
    parser.add_argument("--loads", default="30,saturated", help="percent of a core, or saturated (30,saturated)")
    parser.add_argument("--io", default="uring", choices=("uring", "epoll"), help="sfud's backend")
    parser.add_argument("--sha1", action="store_true", help="AES_CM_128_HMAC_SHA1_80 for sfud and the bare loop")
    parser.add_argument("--seal", default="auto", choices=("auto", "ipsec-mb", "openssl"),
                        help="what encrypts, for sfud and the bare loop")
    parser.add_argument("--no-gso", action="store_true", help="sfud without UDP_SEGMENT")
    parser.add_argument("--sound", action="store_true", help="single packets of 100 bytes, 300 in a second, instead of a camera's frames")
    parser.add_argument("--no-bandwidth-control", action="store_true", help="sfud's allocator does nothing")
    parser.add_argument("--no-window", action="store_true", help="sfud never waits for the rest of a frame")
    parser.add_argument("--rooms", type=int, default=0, help="so many rooms, instead of looking for the load")
    parser.add_argument("--profile", action="store_true", help="where sfud's time goes, by perf(1), instead of rounds")
    parser.add_argument("--only", default="", choices=("", "sfud"), help="sfud: without the loops")
    parser.add_argument("--against", default="", metavar="OTHER", help="in each round a second sfud with as many rooms: "
                        "of another build directory, or of this one with one of the options epoll, openssl, "
                        "no-gso, no-bandwidth-control, no-window, sha1")


# ---------------------------------------------------------------- the namespace

def enter_namespace():
    """Runs this program again in a network namespace of its own, as root of a user namespace if need be."""
    if os.environ.get(IN_NAMESPACE):
        return
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    os.environ[IN_NAMESPACE] = "1"
    os.execvp("unshare", ["unshare", *user, "--net", sys.executable, *sys.argv])


def make_sink():
    """A device that takes what is sent, with checksum and segmentation offload, and drops it."""
    def ip(*arguments):
        return subprocess.run(["ip", *arguments], capture_output=True, text=True).returncode == 0

    kind = next((k for k in ("ifb", "dummy") if ip("link", "add", "sink", "type", k)), None)
    if kind is None or not (ip("link", "set", "lo", "up") and ip("link", "set", "sink", "up")
                            and ip("addr", "add", f"{ADDRESS}/8", "dev", "sink")):
        sys.exit("bench: no device of type ifb or dummy can be made here (root, or user namespaces, are needed)")
    for name in ("all", "default", "lo", "sink"):
        try:
            with open(f"/proc/sys/net/ipv4/conf/{name}/rp_filter", "w") as f:
                f.write("0")  # viewers' words come by lo
        except OSError:
            pass
    return kind


# ---------------------------------------------------------------- one run

def binary_of(build):
    return f"{build}/tests/bench/conclave-bench"


class Bench:
    def __init__(self, options):
        self.options = options
        self.sound = getattr(options, "sound", False)  # `grow` has no such option
        cpus = sorted(os.sched_getaffinity(0))
        self.cpus = (cpus[0], cpus[1]) if len(cpus) > 1 else (-1, -1)

    def command(self, what, viewers, seconds, warm_up, **more):
        build = more.pop("build", self.options.build)
        command = [binary_of(build), what, "--listen", ADDRESS, "--viewers", viewers, "--seconds", seconds,
                   "--warm-up", warm_up, "--trace", f"{ROOT}/tests/bench/{'trace-sound' if self.sound else 'trace-720p'}.txt",
                   *(["--speed", SOUND_SPEED] if self.sound else []),
                   "--offer", f"{ROOT}/tests/vectors/sdp/chromium-offer.sdp",
                   "--cpu", self.cpus[0], "--cpu-others", self.cpus[1]]
        for key, value in more.items():
            command += [f"--{key}"] if value is True else [f"--{key}", value] if value is not False else []
        return [str(word) for word in command]

    def run(self, *what, **more):
        command = self.command(*what, **more)
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"bench: {' '.join(command)}: {done.stderr}")
        figures = json.loads(done.stdout)
        if figures["forwarded"] == 0:
            sys.exit(f"bench: {' '.join(command)}: nothing was forwarded: {figures}")
        return figures

    def choices(self):
        o = self.options
        return {"io": o.io, "sha1": o.sha1, "no-gso": o.no_gso, "no-bandwidth-control": o.no_bandwidth_control,
                "no-window": o.no_window,
                "seal": False if o.seal == "auto" else o.seal}  # builds before there was a choice do not know it

    def sfud(self, viewers, rooms, seconds, **other):
        return self.run("sfud", viewers, seconds, 2, rooms=rooms, **(self.choices() | other))

    def other(self, viewers, rooms, seconds):
        against = self.options.against
        choice = {"epoll": {"io": "epoll"}, "openssl": {"seal": "openssl"}}.get(against, {against: True})
        return self.sfud(viewers, rooms, seconds, **(choice if against in VARIANTS else {"build": against}))

    def naive(self, viewers, seconds):
        return self.run("naive", viewers, seconds, 0.3)

    def bare(self, viewers, seconds, burst):
        return self.run("bare", viewers, seconds, 0.3, burst=burst, sha1=self.options.sha1,
                        seal=self.choices()["seal"])

    # How many rooms of 1 -> viewers it takes.

    def rooms_for(self, viewers, load, seconds):
        """Saturated: the fewest rooms that keep the thread busy; else about as many as load it so, one at least."""
        def limit(rooms):
            return max(1, min(int(rooms), ROOMS_MAX, PEOPLE_MAX // (viewers + 1)))

        def measure(rooms):
            figures = self.sfud(viewers, rooms, seconds)
            if figures["packets_in"] < KEEPS_UP * figures["published"]:
                return 1  # whoever else had its core
            return figures["busy" if load == "saturated" else "load"]

        if self.options.rooms > 0:
            return self.options.rooms
        wanted = SATURATED if load == "saturated" else float(load) / 100
        rooms = limit(20000 * 0.2 / (PACKETS_PER_S * viewers / 50))
        for _ in range(6):
            share = measure(rooms)
            better = limit(rooms * min(wanted / max(share, 0.01), GROWTH_MAX) + (0.999 if load == "saturated" else 0.3))
            if load == "saturated" and share >= wanted:
                return rooms
            if better == rooms:
                if load != "saturated":
                    return rooms
                better = limit(rooms + 1)
                if better == rooms:
                    return rooms
            if load != "saturated" and abs(share - wanted) < 0.1 * wanted:
                return rooms
            rooms = better
        return rooms


# ---------------------------------------------------------------- where the time goes

def media_thread(process):
    """The id of its media thread; 0 as long as there is none."""
    try:
        for task in os.listdir(f"/proc/{process.pid}/task"):
            with open(f"/proc/{process.pid}/task/{task}/comm") as f:
                if f.read().strip() == MEDIA_THREAD:
                    return int(task)
    except OSError:
        pass
    return 0


def perf_report(data, by):
    done = subprocess.run(["perf", "report", "-i", data, "--no-children", "--sort", by, "--percent-limit", "0.8"],
                          capture_output=True, text=True)
    return [line.strip() for line in done.stdout.split("\n") if line.strip() and not line.startswith("#")]


def profile(bench, viewers, rooms, seconds):
    """Samples the media thread while it forwards; joining is over then."""
    command = bench.command("sfud", viewers, seconds, 2, rooms=rooms, **bench.choices())
    with tempfile.NamedTemporaryFile() as data:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        err = process.stderr.readline()
        if "measuring" in err:
            subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", "4000", "-t", str(media_thread(process)),
                            "-o", data.name, "--", "sleep", str(0.95 * seconds)], capture_output=True)
        out, rest = process.communicate()
        err += rest
        if process.returncode != 0:
            sys.exit(f"bench: {' '.join(command)}: {err}")
        return {"sfud": json.loads(out), "libraries": perf_report(data.name, "dso"),
                "functions": perf_report(data.name, "dso,sym")}


# ---------------------------------------------------------------- all runs

def plan(options):
    if options.quick:
        return [(500, "saturated")], 3, 1.2, 0.8
    viewers = [int(v) for v in options.viewers.split(",")]
    return [(v, load) for v in viewers for load in options.loads.split(",")], options.rounds, options.seconds, 1


def run_round(bench, points, seconds):
    runs, naive = [], {}
    for viewers, load, rooms in points:
        sfud = bench.sfud(viewers, rooms, seconds)
        run = {"viewers": viewers, "load": load, "sfud": sfud}
        if bench.options.against:
            run["other"] = bench.other(viewers, rooms, seconds)
        if bench.options.only != "sfud":
            if viewers not in naive:
                naive[viewers] = bench.naive(viewers, seconds)
            run |= {"naive": naive[viewers], "bare": bench.bare(viewers, seconds, sfud["burst_mean"]),
                    "frames": bench.bare(viewers, seconds, 0)}
        runs.append(run)
    return runs


def summarise(points, rounds):
    summary = []
    for i, (viewers, load, rooms) in enumerate(points):
        runs = [r[i] for r in rounds]
        one = {"viewers": viewers, "load": load, "rooms": rooms}
        for what in ("sfud", "other", "naive", "bare", "frames"):
            if what not in runs[0]:
                continue
            one[what] = {key: spread([r[what][key] for r in runs]) for key in FIGURES if key in runs[0][what]}
        if "other" in one:
            one["sfud_over_other"] = spread([r["sfud"]["ns_per_packet"] / r["other"]["ns_per_packet"] for r in runs])
        if "naive" in one:
            one["naive_over_sfud"] = spread([r["naive"]["ns_per_packet"] / r["sfud"]["ns_per_packet"] for r in runs])
            one["sfud_over_bare"] = spread([r["sfud"]["ns_per_packet"] / r["bare"]["ns_per_packet"] for r in runs])
        total = {}
        for r in runs:
            for size, count in r["sfud"]["segments"].items():
                total[size] = total.get(size, 0) + count
        one["segments"] = total
        one["lost"] = sum(r["sfud"][k] for r in runs for k in ("unsent", "send_failed", "rx_overflow"))
        summary.append(one)
    return summary


def run(options):
    builds = [options.build, *([options.against] if options.against not in ("", *VARIANTS) else [])]
    for binary in map(binary_of, builds):
        if not os.path.exists(binary):
            sys.exit(f"bench: {binary} is not there; ./dev bench builds it")
    enter_namespace()
    device = make_sink()
    bench = Bench(options)
    wanted, round_count, seconds, calibration = plan(options)
    points = []
    for viewers, load in wanted:
        rooms = bench.rooms_for(viewers, load, calibration)
        print(f"{viewers} viewers, {load}: {rooms} rooms", file=sys.stderr)
        points.append((viewers, load, rooms))
    if options.profile:
        return {"profiles": [profile(bench, viewers, rooms, seconds) for viewers, load, rooms in points]}
    rounds = []
    for i in range(round_count):
        print(f"round {i + 1} of {round_count}", file=sys.stderr)
        rounds.append(run_round(bench, points, seconds))
    return {"device": device, "against": options.against, "io": options.io, "sha1": options.sha1, "seal": options.seal, "gso": not options.no_gso,
            "seconds": seconds, "summary": summarise(points, rounds), "rounds": rounds}


# ---------------------------------------------------------------- what is shown

def load_name(s):
    return s["load"] if s["load"] == "saturated" else f"{s['load']} %"


def show_profile(p):
    print(f"\n{p['sfud']['viewers']} viewers, {p['sfud']['rooms']} rooms: {p['sfud']['ns_per_packet']:,.0f} ns per forwarded "
          f"packet, {p['sfud']['burst_mean']:.2f} datagrams in a send\n")
    print("\n".join(p["libraries"] + [""] + p["functions"]))


def show(result):
    e = result["environment"]
    for p in result.get("profiles", []):
        show_profile(p)
    if "profiles" in result:
        return
    print(f"\n{e['cpu']}, {e['cores']} cores, Linux {e['kernel']}, load average {e['load_average']:.2f} at the start, "
          f"commit {e['commit']}{' and changes' if e['changed'] else ''}")
    print(f"sink {result['device']}, backend {result['io']}, {len(result['rounds'])} rounds of {result['seconds']} s; "
          f"median [min-max]; ns of CPU per forwarded packet\n")
    rows = []
    for s in result["summary"]:
        row = [str(s["viewers"]), f"{load_name(s)} ({s['sfud']['load']['median'] * 100:.0f} %)", str(s["rooms"]),
               with_range(s["sfud"]["ns_per_packet"]), short(s["sfud"]["packets_per_cpu_s"]["median"]),
               f"{s['sfud']['burst_mean']['median']:.2f}",
               " / ".join(short(s["sfud"][f"latency_us_{p}"]["median"]) for p in ("p50", "p99"))]
        if "other" in s:
            row += [with_range(s["other"]["ns_per_packet"]), f"{s['other']['burst_mean']['median']:.2f}",
                    with_range(s["sfud_over_other"], "x")]
        if "naive" in s:
            row += [with_range(s["naive"]["ns_per_packet"]), with_range(s["bare"]["ns_per_packet"]),
                    with_range(s["frames"]["ns_per_packet"]), with_range(s["naive_over_sfud"], "x"),
                    with_range(s["sfud_over_bare"], "x")]
        rows.append(row)
    head = ["viewers", "load (CPU)", "rooms", "sfud ns", "packets/CPU s", "burst", "us p50 / p99"]
    if result["against"]:
        head += [f"{result['against']} ns", "burst", "sfud / other"]
    if len(rows[0]) > len(head):
        head += ["naive ns", "bare ns, same bursts", "bare ns, whole frames", "naive / sfud", "sfud / bare"]
    print(table(head, rows))
    print("\nsends by datagrams in them (upper bounds), share of all datagrams' sends")
    sizes = list(result["summary"][0]["segments"])
    rows = []
    for s in result["summary"]:
        total = sum(s["segments"].values()) or 1
        rows.append([str(s["viewers"]), load_name(s), *(f"{100 * s['segments'][k] / total:.1f} %" for k in sizes),
                     str(s["lost"])])
    print(table(["viewers", "load", *sizes, "lost"], rows))


def plots(result):
    if "profiles" in result:
        return {}
    groups = [f"{s['viewers']}, {load_name(s)}" for s in result["summary"]]
    names = {"sfud": "sfud", "other": result["against"], "bare": "bare, same bursts", "frames": "bare, whole frames", "naive": "naive"}
    there = [k for k in names if k in result["summary"][0]]
    values = [[s[k]["ns_per_packet"] for s in result["summary"]] for k in there]
    return {"ns": bars("CPU time per forwarded packet, by viewers of each publisher", groups,
                       [names[k] for k in there], values, "ns")}
