"""The sfud binary against a real redis-server: requests, repeats, outages, the end.

usage: test_daemon.py SFUD OFFER.sdp [uring|epoll|auto]

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

SFUD, OFFER_PATH = sys.argv[1], sys.argv[2]
IO = sys.argv[3] if len(sys.argv) > 3 else "auto"
DEADLINE = 20
NODE = "sfud-test"
REPLIES = "cc:signald:test:replies"
SOURCES = {"0": "microphone", "1": "camera", "2": "screen", "3": "screen-audio"}


def wait_for(what, condition):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {DEADLINE} s for {what}")


class Resp:
    """The little of the Redis protocol that a test needs."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self.file = self.socket.makefile("rb")

    def send(self, *args):
        out = b"*%d\r\n" % len(args)
        for a in args:
            a = a.encode() if isinstance(a, str) else a
            out += b"$%d\r\n%s\r\n" % (len(a), a)
        self.socket.sendall(out)

    def read(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("redis closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        if kind == b"$":
            n = int(rest)
            return None if n < 0 else self.file.read(n + 2)[:-2].decode()
        if kind == b":":
            return int(rest)
        if kind == b"-":
            raise AssertionError(rest.decode())
        return rest.decode()

    def __call__(self, *args):
        self.send(*args)
        return self.read()


class Bed:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="sfud-test-")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.redis = self.sfud = None
        self.log = open(os.path.join(self.dir, "sfud.log"), "w+b")
        self.serial = 0

    def start_redis(self):
        self.redis = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "no", "--dir", self.dir], stdout=subprocess.DEVNULL)

        def ping():
            try:
                return Resp(self.port)("PING") == "PONG"
            except OSError:
                return False
        wait_for("redis", ping)

    def start_sfud(self, *extra):
        self.sfud = subprocess.Popen(
            [SFUD, "--redis-url", f"redis://127.0.0.1:{self.port}", "--instance-id", NODE,
             "--admin-listen", "127.0.0.1:0", "--media-port", "0", "--workers", "2", "--region",
             "eu", "--public-ip", "127.0.0.1", "--io", IO, *extra], stderr=self.log)
        if IO == "uring" and b"io.refused" in self.wait_started():
            sys.exit(77)  # Meson's word for skipped: this machine forbids io_uring
        self.admin = int(self.wait_log(r"evt=node\.started.* admin_port=(\d+)").group(1))

    def log_text(self):
        with open(self.log.name, errors="replace") as f:
            return f.read()

    def wait_started(self):
        return wait_for("a start", lambda: (lambda t: t if "node.started" in t or
                                            self.sfud.poll() is not None else "")(
                                                self.log_text())).encode()

    def wait_log(self, pattern):
        return wait_for(pattern, lambda: re.search(pattern, self.log_text()))

    def listen(self, *channels):
        r = Resp(self.port)
        for c in channels:
            assert r("SUBSCRIBE", c)[0] == "subscribe"
        return r

    def node(self):
        text = Resp(self.port)("GET", f"cc:node:{NODE}")
        return json.loads(text) if text else None

    def wait_subscribed(self):
        channel = f"cc:node:{NODE}:requests"
        wait_for("the subscription",
                 lambda: Resp(self.port)("PUBSUB", "NUMSUB", channel)[1] >= 1)

    def request(self, op, replies=None, **fields):
        """Sends, and returns (request, reply)."""
        own = replies is None
        replies = replies or self.listen(REPLIES)
        self.serial += 1
        r = {"id": f"r_{os.getpid()}_{self.serial}", "reply": REPLIES,
             "deadline": int(time.time() * 1000) + 5000, "op": op, **fields}
        reply = self.exchange(replies, r)
        if own:
            replies.socket.close()
        return r, reply

    def exchange(self, replies, r):
        assert Resp(self.port)("PUBLISH", f"cc:node:{NODE}:requests", json.dumps(r)) == 1
        kind, channel, text = replies.read()
        assert (kind, channel) == ("message", REPLIES)
        return json.loads(text)

    def metric(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=5) as f:
            text = f.read().decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if line.startswith(name))

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=10) as f:
                return f.status, f.read()
        except urllib.error.HTTPError as e:
            return e.code, e.read()

    def get_json(self, path):
        status, body = self.get(path)
        assert status == 200, (path, status, body)
        return json.loads(body)

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/readyz", timeout=5) as f:
                return f.status == 200
        except urllib.error.HTTPError as e:
            assert e.code == 503
            return False

    def stop_sfud(self):
        start = time.monotonic()
        self.sfud.send_signal(signal.SIGTERM)
        code = self.sfud.wait(10)
        return code, time.monotonic() - start

    def close(self):
        for p in (self.sfud, self.redis):
            if p and p.poll() is None:
                p.send_signal(signal.SIGCONT)
                p.kill()
                p.wait()
        self.log.close()
        shutil.rmtree(self.dir)


def create(bed, who, room="default/standup", **fields):
    with open(OFFER_PATH, newline="") as f:
        offer = f.read()
    body = {"room": room, "participant": who, "sdp": offer, "sources": SOURCES,
            "allowed": list(SOURCES.values()), **fields}
    return bed.request("participant.create", **body)


def node_is_registered(bed):
    node = wait_for("the registration", bed.node)
    assert node["id"] == NODE and node["region"] == "eu" and node["workers"] == 2, node
    assert node["draining"] is False and 0 <= node["load"] <= 1 and node["participants"] == 0
    assert abs(node["updated"] - time.time() * 1000) < 5000 and len(node["epoch"]) == 16
    assert Resp(bed.port)("SMEMBERS", "cc:nodes") == [NODE]
    assert 0 < Resp(bed.port)("PTTL", f"cc:node:{NODE}") <= 5000
    assert wait_for("readiness", bed.ready)


def create_is_answered(bed):
    _, reply = create(bed, "p_1")
    assert reply["ok"] is True, reply
    sdp = reply["sdp"]
    assert sdp.startswith("v=0\r\n") and "a=ice-lite" in sdp and "a=fingerprint:sha-256" in sdp
    ports = {int(m) for m in re.findall(r"a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+) typ host",
                                        sdp, re.I)}
    assert len(ports) == 1 and ports.pop() > 0, sdp
    kinds = [s["kind"] for s in reply["slots"]]
    assert kinds.count("audio") == 4 and kinds.count("video") == 9, kinds
    assert wait_for("the count", lambda: bed.node()["participants"] == 1)
    assert wait_for("metrics", lambda: bed.metric("sfud_participants{") == 1)


def a_repeat_gets_the_same_answer(bed):
    replies = bed.listen(REPLIES)
    request, first = create_with(bed, replies, "p_2")
    again = bed.exchange(replies, request)
    assert again == first
    assert bed.metric('sfud_requests_total{result="repeated"}') == 1
    replies.socket.close()


def create_with(bed, replies, who):
    return create(bed, who, replies=replies)


def errors_have_names(bed):
    def error(op, **fields):
        reply = bed.request(op, **fields)[1]
        assert reply["ok"] is False and reply["message"], reply
        return reply["error"]
    _, reply = create(bed, "p_bad", sdp="v=0\r\nnonsense\r\n")
    assert reply["ok"] is False and reply["error"] == "bad-sdp" and "line 2" in reply["message"]
    assert create(bed, "p_bad", sdp="")[1]["error"] == "bad-sdp"
    who = {"room": "default/standup", "participant": "p_nobody"}
    assert error("slots.set", **who, version=1, slots=[]) == "not-found"
    assert error("track.set", **who, source="camera", muted=True) == "not-found"
    assert error("participant.remove", room="x", participant="p") == "bad-request"
    assert error("node.reboot") == "bad-request"
    wait_for("the count", lambda: bed.node()["participants"] == 2)


def removing_who_has_gone_already_is_fine(bed):
    create(bed, "p_brief")
    who = {"room": "default/standup", "participant": "p_brief"}
    refused = bed.log_text().count("evt=request.refused")
    for _ in range(3):
        assert bed.request("participant.remove", **who)[1]["ok"] is True
    assert bed.request("participant.remove", room="default/nowhere", participant="p_1")[1]["ok"]
    assert bed.log_text().count("evt=request.refused") == refused
    wait_for("the count", lambda: bed.node()["participants"] == 2)


def expired_requests_are_dropped(bed):
    before = bed.metric('sfud_requests_total{result="expired"}')
    late = {"id": "r_late", "reply": REPLIES, "deadline": int(time.time() * 1000) - 1,
            "op": "node.drain"}
    Resp(bed.port)("PUBLISH", f"cc:node:{NODE}:requests", json.dumps(late))
    wait_for("the drop", lambda: bed.metric('sfud_requests_total{result="expired"}') == before + 1)
    assert bed.node()["draining"] is False


def ice_restarts_are_answered(bed, who, before):
    with open(OFFER_PATH, newline="") as f:
        offer = f.read()
    other = re.sub(r"a=ice-pwd:\S+", "a=ice-pwd:of-another-generation-entirely", re.sub(r"a=ice-ufrag:\S+", "a=ice-ufrag:again", offer))
    def ours(sdp):
        return set(re.findall(r"a=(?:ice-ufrag|ice-pwd|fingerprint):.*", sdp))
    def answer(sdp):
        return bed.request("participant.update", **who, sdp=sdp, sources=SOURCES)[1]["sdp"]
    assert ours(answer(offer)) == ours(before), "the same credentials: nothing new"
    first = answer(other)
    assert len(ours(first) & ours(before)) == 1, "new credentials, the same certificate"
    assert re.sub(r"a=ice-.*\n", "", first) == re.sub(r"a=ice-.*\n", "", before), "nothing else has moved"
    assert ours(answer(other)) == ours(first), "the same restart asked for again"
    assert ours(answer(offer)) != ours(first), "and another one"
    assert bed.metric("sfud_ice_restarts_total{") == 2


def slots_tracks_updates_and_removal_are_answered(bed):
    who = {"room": "default/standup", "participant": "p_1"}
    slots = [{"mid": "8", "track": "p_2/camera", "spatial_max": 1}, {"mid": "9", "track": None}]
    assert bed.request("slots.set", **who, version=1, slots=slots)[1]["ok"]
    assert bed.request("track.set", **who, source="camera", muted=True)[1]["ok"]
    with open(OFFER_PATH, newline="") as f:
        reply = bed.request("participant.update", **who, sdp=f.read(), sources=SOURCES)[1]
    assert reply["ok"] and len(reply["slots"]) == 13, reply
    ice_restarts_are_answered(bed, who, reply["sdp"])
    assert create(bed, "p_1")[1]["ok"]  # a new request means a new transport
    assert bed.metric("sfud_participants{") == 2
    assert bed.request("participant.remove", **who)[1]["ok"]
    assert wait_for("the count", lambda: bed.node()["participants"] == 1)


def many_rooms_use_all_workers(bed):
    ports = set()
    for i in range(6):
        _, reply = create(bed, "p_1", room=f"default/many{i}")
        ports |= set(re.findall(r"(?i) udp \d+ 127\.0\.0\.1 (\d+) typ host", reply["sdp"]))
    assert len(ports) == 2, ports
    for i in range(6):
        assert bed.request("participant.remove", room=f"default/many{i}",
                           participant="p_1")[1]["ok"]


def stray_datagrams_are_counted_drops(bed):
    _, reply = create(bed, "p_3")
    port = int(re.search(r"127\.0\.0\.1 (\d+) typ host", reply["sdp"]).group(1))
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    before = bed.metric("sfud_packets_dropped_total")
    for payload in (b"\x80\x60" + bytes(30), b"\x16\xfe\xff" + bytes(30), bytes(20), b"hello"):
        s.sendto(payload, ("127.0.0.1", port))
    wait_for("the drops", lambda: bed.metric("sfud_packets_dropped_total") >= before + 4)
    s.close()


def a_binding_request_is_answered(bed):
    """ICE-lite from outside: the answer's credentials are believed, and the reply comes back from
    the address that was asked."""
    import hashlib
    import hmac
    import zlib
    _, reply = create(bed, "p_4")
    sdp = reply["sdp"]
    port = int(re.search(r"127\.0\.0\.1 (\d+) typ host", sdp).group(1))
    ufrag = re.search(r"a=ice-ufrag:(\S+)", sdp).group(1)
    pwd = re.search(r"a=ice-pwd:(\S+)", sdp).group(1)
    with open(OFFER_PATH) as f:
        remote = re.search(r"a=ice-ufrag:(\S+)", f.read()).group(1)

    def attribute(kind, value):
        return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)
    body = attribute(0x0006, f"{ufrag}:{remote}".encode()) + attribute(0x0024, b"\0\0\1\0")
    body += attribute(0x802A, bytes(8)) + attribute(0x0025, b"")
    head = struct.pack(">HHI", 0x0001, len(body) + 24, 0x2112A442) + os.urandom(12)
    body += attribute(0x0008, hmac.new(pwd.encode(), head + body, hashlib.sha1).digest())
    head = head[:2] + struct.pack(">H", len(body) + 8) + head[4:]
    body += attribute(0x8028, struct.pack(">I", zlib.crc32(head + body) ^ 0x5354554E))
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.sendto(head + body, ("127.0.0.1", port))
    data, sender = s.recvfrom(2048)
    assert sender == ("127.0.0.1", port) and data[:2] == b"\x01\x01" and data[8:20] == head[8:20]
    s.close()


def statistics_tell_who_is_here(bed):
    rooms = bed.get_json("/v1/rooms")
    assert rooms["node"] == NODE and rooms["total"] == 1, rooms
    here = rooms["rooms"][0]
    assert here["room"] == "default/standup" and here["worker"] in (0, 1), here
    assert bed.get_json("/v1/rooms?skip=1")["rooms"] == []
    room = bed.get_json("/v1/rooms/default/standup")
    assert room["total"] == here["participants"] == len(room["participants"]) >= 3, room
    states = {p["participant"]: p["state"] for p in room["participants"]}
    assert states["p_2"] == "new" and states["p_4"] == "ice", states
    rest = bed.get_json("/v1/rooms/default/standup?skip=1")
    assert rest["participants"] == room["participants"][1:] or len(rest["participants"]) == room["total"] - 1
    one = bed.get_json("/v1/rooms/default/standup/participants/p_4")
    t = one["transport"]
    assert one["participant"] == "p_4" and t["state"] == "ice" and t["score"] is None, one
    assert t["path"]["protocol"] == "udp" and t["path"]["address"].startswith("127.0.0.1:"), t
    assert t["join"]["check_ms"] >= 0 and t["join"]["dtls_ms"] is None and t["rtt_ms"] is None, t
    assert t["in"]["packets"] == 1 and t["out"]["packets"] == 1, t
    assert bed.metric('sfud_join_seconds_count{worker="') == bed.metric('sfud_join_seconds_bucket{worker="0",stage="check",le="+Inf"}') + bed.metric('sfud_join_seconds_bucket{worker="1",stage="check",le="+Inf"}') == 1
    assert [x["source"] for x in one["tracks"]] == list(SOURCES.values()), one["tracks"]
    assert len(one["slots"]) == 13 and all(s["shows"] is None for s in one["slots"])
    slots = [{"mid": one["slots"][-1]["mid"], "track": "p_2/camera", "spatial_max": 1}]
    assert bed.request("slots.set", room="default/standup", participant="p_4", version=1, slots=slots)[1]["ok"]
    shown = bed.get_json("/v1/rooms/default/standup/participants/p_4")["slots"][-1]
    assert shown["shows"]["participant"] == "p_2" and shown["shows"]["here"], shown
    assert shown["shows"]["spatial_max"] == 1 and shown["flowing"] is False, shown
    watched = bed.get_json("/v1/rooms/default/standup/participants/p_2")["tracks"][1]
    assert watched["slots"] == 1 and watched["encodings"] == [], watched


def what_is_not_here_is_a_404(bed):
    for path in ("/v1/rooms/default/nowhere", "/v1/rooms/default", "/v1/rooms/default/standup/participants",
                 "/v1/rooms/default/standup/participants/p_nobody", "/v1/rooms/default/standup/x",
                 "/v1/rooms/default/standup/participants/p_nobody/packets.pcap",
                 "/v1/rooms/default/standup/participants/" + "p" * 64,
                 "/v1/rooms/default/" + "n" * 240, "/v1/rooms/default/nowhere/participants/p_1"):
        status, body = bed.get(path)
        assert status == 404, (path, status, body)
    for path in ("/v1/rooms/default/standup/participants/%2e%2f", "/v1/rooms/default/%00", "/v1/rooms?skip=x",
                 "/v1/rooms/default/standup?skip=-1", "/v1/rooms/default/standup?skip=99999999999999999999",
                 "/v1/rooms/default/" + "n" * 3000):
        status, body = bed.get(path)
        assert status in (400, 404), (path, status, body)
    request = urllib.request.Request(f"http://127.0.0.1:{bed.admin}/v1/rooms", data=b"{}")
    try:
        urllib.request.urlopen(request, timeout=5)
        raise AssertionError("POST was taken")
    except urllib.error.HTTPError as e:
        assert e.code == 405
    assert bed.sfud.poll() is None


def many_may_look_at_once(bed):
    """Beyond the limit they are told so; nobody is left without an answer."""
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda i: bed.get("/v1/rooms/default/standup/participants/p_4")[0], range(200)))
    assert set(answers) <= {200, 503} and 200 in answers, answers
    assert bed.get("/v1/rooms/default/standup")[0] == 200


def packet_headers_can_be_had_as_pcap(bed):
    path = "/v1/rooms/default/standup/participants/p_4/packets.pcap"
    status, file = bed.get(path)
    assert status == 200 and file[:4] == b"\xa1\xb2\xc3\xd4", (status, file[:24])
    at, packets = 24, []
    while at < len(file):
        seconds, _, kept, length = struct.unpack(">IIII", file[at:at + 16])
        packets.append((seconds, length, file[at + 16:at + 16 + kept]))
        at += 16 + kept
    assert at == len(file) and len(packets) == 2, packets
    check, answer = (p[2] for p in packets)
    assert all(abs(p[0] - time.time()) < 60 for p in packets)
    assert check[0] == answer[0] == 0x45 and check[12:16] == check[16:20] == bytes((127, 0, 0, 1))
    assert check[20:22] == answer[22:24] and check[22:24] == answer[20:22], "ports, there and back"
    assert check[28:30] == b"\0\1" and answer[28:30] == b"\1\1" and check[36:48] == answer[36:48], "STUN"
    assert packets[0][1] > len(check), "the rest is not kept"
    empty = bed.get("/v1/rooms/default/standup/participants/p_2/packets.pcap")[1]
    assert len(empty) == 24
    if shutil.which("tcpdump"):
        text = subprocess.run(["tcpdump", "-nr", "-"], input=file, capture_output=True, check=True).stdout
        assert text.count(b"UDP, length") == 2, text


def draining_refuses_new_rooms_and_can_be_undone(bed):
    reply = bed.request("node.drain")[1]
    assert reply["ok"] and reply["node"] == NODE and reply["draining"] is True, reply
    assert reply["rooms"] == 1 and reply["participants"] == bed.node()["participants"] > 0, reply
    assert wait_for("draining", lambda: bed.node()["draining"])
    assert create(bed, "p_1", room="default/new")[1]["error"] == "full"
    assert create(bed, "p_9")[1]["ok"]  # of a room that is here
    reply = bed.request("node.undrain")[1]
    assert reply["ok"] and reply["draining"] is False, reply
    assert wait_for("no draining", lambda: not bed.node()["draining"])


def a_stopped_redis_is_survived(bed):
    bed.redis.send_signal(signal.SIGSTOP)
    wait_for("not ready", lambda: not bed.ready())
    assert bed.sfud.poll() is None
    time.sleep(0.5)
    bed.redis.send_signal(signal.SIGCONT)
    wait_for("ready", bed.ready)
    bed.wait_subscribed()
    wait_for("the registration", bed.node)
    assert create(bed, "p_5")[1]["ok"]


def a_new_redis_is_survived(bed):
    epoch = bed.node()["epoch"]
    bed.redis.kill()
    bed.redis.wait()
    wait_for("not ready", lambda: not bed.ready())
    assert bed.metric("sfud_participants{") > 0
    bed.start_redis()
    wait_for("the registration", bed.node)
    bed.wait_subscribed()
    assert bed.node()["epoch"] == epoch and bed.node()["participants"] > 0, bed.node()
    assert create(bed, "p_6")[1]["ok"]


def reload_changes_the_log_level(bed):
    bed.sfud.send_signal(signal.SIGHUP)
    bed.wait_log(r"evt=config\.reloaded")


def sigterm_sends_participants_elsewhere(bed):
    for who in ("p_1", "p_2"):
        assert create(bed, who, room="default/moving")[1]["ok"]
    media = bed.listen("cc:{default/moving}:media")
    start = time.monotonic()
    bed.sfud.send_signal(signal.SIGTERM)
    wait_for("the key to go", lambda: bed.node() is None)
    told = [json.loads(media.read()[2]) for _ in range(2)]
    assert all(e["op"] == "transport" and e["state"] == "failed" and e["node"] == NODE
               for e in told), told
    assert {e["participant"] for e in told} == {"p_1", "p_2"}
    assert time.monotonic() - start < 1  # there is nothing to wait for: the node says that it goes
    assert create(bed, "p_3", room="default/moving")[1]["error"] == "leaving"
    for who in ("p_1", "p_2"):
        assert bed.request("participant.remove", room="default/moving", participant=who)[1]["ok"]
    assert bed.sfud.wait(10) == 0
    assert time.monotonic() - start < 5
    assert bed.node() is None
    events = [json.loads(e[1][1])["type"] for e in Resp(bed.port)("XRANGE", "cc:audit", "-", "+")]
    assert events[-1] == "node.draining", events


def an_idle_node_ends_at_once(bed):
    bed.log.truncate(0)
    bed.start_sfud()
    wait_for("the registration", bed.node)
    code, seconds = bed.stop_sfud()
    assert code == 0 and seconds < 3, (code, seconds)
    assert bed.node() is None


def without_redis_it_starts_and_ends_too(bed):
    bed.redis.kill()
    bed.redis.wait()
    bed.log.truncate(0)
    bed.start_sfud()
    assert not bed.ready()
    code, seconds = bed.stop_sfud()
    assert code == 0 and seconds < 5, (code, seconds)


def bad_configuration_is_refused(bed):
    def run(*args):
        return subprocess.run([SFUD, *args], capture_output=True, timeout=20)
    assert run("--media-listen", "nowhere").returncode == 64
    assert run("--public-ip", "1.2.3").returncode == 64
    assert run("--media-port", "65535", "--workers", "8").returncode == 64
    assert run("--io", "select").returncode == 64
    assert run("--check-config").returncode == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("0.0.0.0", 0))
        taken = run("--media-port", str(s.getsockname()[1]), "--workers", "1", "--admin-listen",
                    "127.0.0.1:0")
    assert taken.returncode == 69 and b"bind" in taken.stderr, taken


def forbid_io_uring():
    """As container runtimes do: a seccomp filter that answers io_uring_setup with EPERM."""
    import ctypes
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, 425), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *c) for c in code))
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(text))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(38, 1, 0, 0, 0) != 0 or prctl(22, 2, ctypes.c_char_p(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def where_io_uring_is_forbidden_auto_means_epoll(bed):
    def run(io):
        bed.log.truncate(0)
        bed.log.seek(0)
        return subprocess.Popen([SFUD, "--redis-url", f"redis://127.0.0.1:{bed.port}", "--io", io,
                                 "--admin-listen", "127.0.0.1:0", "--media-port", "0"],
                                stderr=bed.log, preexec_fn=forbid_io_uring)
    demanded = run("uring")
    assert demanded.wait(20) == 69
    assert re.search(r"evt=io\.refused .*Operation not permitted", bed.log_text())
    automatic = run("auto")
    bed.wait_log(r'evt=io\.chosen backend=epoll .*uring_refused="io_uring_setup: Operation not')
    bed.wait_log(r"evt=node\.started")
    automatic.send_signal(signal.SIGTERM)
    assert automatic.wait(20) == 0


def main():
    bed = Bed()
    try:
        bed.start_redis()
        bed.start_sfud()
        bed.wait_subscribed()
        for step in (node_is_registered, create_is_answered, a_repeat_gets_the_same_answer,
                     errors_have_names, removing_who_has_gone_already_is_fine, expired_requests_are_dropped,
                     slots_tracks_updates_and_removal_are_answered, many_rooms_use_all_workers,
                     stray_datagrams_are_counted_drops, a_binding_request_is_answered,
                     statistics_tell_who_is_here, what_is_not_here_is_a_404, many_may_look_at_once,
                     packet_headers_can_be_had_as_pcap,
                     draining_refuses_new_rooms_and_can_be_undone, a_stopped_redis_is_survived,
                     a_new_redis_is_survived, reload_changes_the_log_level,
                     sigterm_sends_participants_elsewhere,
                     an_idle_node_ends_at_once,
                     without_redis_it_starts_and_ends_too, bad_configuration_is_refused,
                     where_io_uring_is_forbidden_auto_means_epoll):
            start = time.monotonic()
            step(bed)
            print(f"ok {step.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
    except BaseException:
        print(bed.log_text()[-6000:], file=sys.stderr)
        raise
    finally:
        bed.close()


main()
