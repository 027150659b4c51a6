"""What the words of bench.py that hold whole calls share: a cluster of release builds, a Janus, and the bots.

Everything of a run is a process of its own on this machine; CPU time is what the kernel counted for the server's
process while the bots' plateau lasted, or between two readings of here.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NEEDED = ("services/sfud/sfud", "services/signald/signald", "services/authd/authd", "services/auditd/auditd", "loadtest/conclave-bot")
USABLE = (0, 1, 2)  # of conclave-bot run: the result says what was missed (1), that the bots were too slow (2)
PERCENTILES = (50, 95, 99)
PER_ROOM = 10  # people, where a word fills small rooms


def check_build(build):
    for name in NEEDED:
        if not os.path.exists(f"{build}/{name}"):
            sys.exit(f"bench: {build}/{name} is not there; ./dev bench builds it")


def sizes(text):
    """--size NAME=N,…: the sizes of scenarios, by name."""
    ret = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        if not re.fullmatch(r"[1-9][0-9]{0,4}", number):
            sys.exit(f"bench: --size wants NAME=NUMBER, not {part}")
        ret[name] = int(number)
    return ret


def rounds_of_tens(options, name, one_round):
    """(people, results of one_round(cluster, people)): --size people, a multiple of ten, --rounds times against one cluster."""
    size, count = (100, 3) if options.quick else (options.size, options.rounds)
    if size < PER_ROOM or size % PER_ROOM or count < 1:
        sys.exit(f"bench: --size is a multiple of {PER_ROOM}, --rounds one at least")
    check_build(options.build)
    rounds = []
    with Cluster(options.build) as cluster:
        for i in range(count):
            print(f"{name} {i + 1} of {count}: {size} people", file=sys.stderr)
            rounds.append(one_round(cluster, size))
    return size, rounds


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---------------------------------------------------------------- the servers

class Cluster:
    """A ./dev run cluster of its own: one sfud with one worker, one signald; its data goes when it ends."""
    driver = "conclave"

    def __init__(self, build, workers=1):
        self.build, self.workers = build, workers

    def __enter__(self):
        self.data = tempfile.mkdtemp(prefix="conclave-bench-")
        port = free_port()
        done = subprocess.run([f"{ROOT}/dev", "run", "--detach", "--port", str(port), "--data", self.data, "--build", self.build,
                               "--signald", "1", "--sfud", "1", "--workers", str(self.workers)], stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            self.__exit__()
            sys.exit("bench: the cluster did not start")
        self.url = f"http://localhost:{port}"
        return self

    def __exit__(self, *_):
        subprocess.run([f"{ROOT}/dev", "stop", "--data", self.data], stdin=subprocess.DEVNULL)
        shutil.rmtree(self.data, ignore_errors=True)

    def watched(self):
        return ["--url", self.url, "--cluster", self.data]

    def pid(self, service):
        with open(f"{self.data}/run/{service}.pid") as f:
            return int(f.read().split()[0])

    def metrics(self, service):
        with open(f"{self.data}/etc/{service}.yaml") as f:
            address = next(line.split(":", 1)[1].strip() for line in f if line.startswith("admin-listen:"))
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            return answer.read().decode()


class Janus:
    """tools/janus.sh, private."""
    driver = "janus"

    def __enter__(self):
        self.data = tempfile.mkdtemp(prefix="conclave-bench-janus-")
        port = free_port()
        self.process = subprocess.Popen([f"{ROOT}/tools/janus.sh", f"{self.data}/janus", str(port)],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
        said = self.process.stdout.readline()
        found = re.search(r"ws://(\S+):(\d+)", said)
        deadline = time.monotonic() + 10
        while found and time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection((found[1], int(found[2])), 1).close()
                self.url = found[0]
                return self
            except OSError:
                time.sleep(0.1)
        self.__exit__()
        sys.exit(f"bench: Janus did not start: {said.strip()}")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.data, ignore_errors=True)

    def watched(self):
        return ["--driver", "janus", "--url", self.url, "--server", f"janus={self.process.pid}"]


# ---------------------------------------------------------------- the bots

def hold_call(server, build, scenario, settings, meanwhile=lambda: None, every_s=1.0):
    """One run of the bots against a server; its result (docs/loadtest-result.schema.json).

    meanwhile is called every so many seconds until they have left."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out, tempfile.TemporaryFile("w+") as said:
        command = [f"{build}/loadtest/conclave-bot", "run", scenario, "--json", out.name, "--quiet", *server.watched()]
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        bots = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            look_until_it_ends(bots, meanwhile, every_s)
        finally:
            bots.terminate()  # in vain, unless we end early
            bots.wait()
        if bots.returncode not in USABLE:
            said.seek(0)
            sys.exit(f"bench: {' '.join(command)}: {said.read()[-3000:]}")
        with open(out.name) as f:
            return json.load(f)


def look_until_it_ends(process, look, every_s):
    due = time.monotonic()
    while process.poll() is None:
        look()
        due += every_s
        try:
            process.wait(max(due - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            pass


def percentile(histogram, percent):
    """The percentile of a histogram in a result; None if it is empty."""
    left = histogram["count"] * percent / 100
    for upper, count in histogram["buckets"]:
        left -= count
        if left <= 0:
            return min(upper, histogram["max"])
    return None


def received(result):
    """RTP packets and bytes that bots took in and decrypted in the plateau."""
    return {of: result["audio"]["received"][of] + result["video"]["received"][of] for of in ("packets", "bytes")}


def lost_share(result):
    """Of the packets that should have come, the share that never did."""
    expected = sum(result[kind]["loss"]["expected"] for kind in ("audio", "video"))
    lost = sum(result[kind]["loss"]["after"] * result[kind]["loss"]["expected"] for kind in ("audio", "video"))
    return lost / expected if expected else 0.0


# ---------------------------------------------------------------- what the kernel counts

def ticks(path):
    """utime and stime of proc(5), stat; 0 if it has ended."""
    try:
        with open(path) as f:
            fields = f.read().rpartition(")")[2].split()  # the name may hold anything
        return int(fields[11]) + int(fields[12])
    except OSError:
        return 0


def threads(pid, name):
    """Ids of a process' threads of this name."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm") as f:
            if f.read().strip() == name:
                yield task


def cpu_seconds(pid, thread=""):
    """CPU time of a process until now; of its threads of this name, if one is given. In ticks of the kernel (10 ms)."""
    paths = [f"/proc/{pid}/task/{task}/stat" for task in threads(pid, thread)] if thread else [f"/proc/{pid}/stat"]
    return sum(map(ticks, paths)) / os.sysconf("SC_CLK_TCK")


def counter(text, name):
    """A counter of an exposition, added up over its labels."""
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.split("\n")
               if re.match(rf"{name}(\{{.*\}})? ", line))


def about(result):
    e = result["environment"]
    return (f"{e['cpu']}, {e['cores']} cores, Linux {e['kernel']}, load average {e['load_average']:.2f} at the start, "
            f"commit {e['commit']}{' and changes' if e['changed'] else ''}; the bots run on the same cores")
