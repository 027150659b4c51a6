#!/usr/bin/env python3
"""The signald binary against a real redis-server and a small media node, over real sockets.

usage: test_daemon.py SIGNALD PROTOCOL_SCHEMA
SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import http.server
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from support import Redis, free_port, is_missing, start_redis, wait_for

try:
    import jsonschema
except ImportError:
    jsonschema = None

SIGNALD, SCHEMA = sys.argv[1], json.loads(pathlib.Path(sys.argv[2]).read_text())
VALIDATOR = jsonschema and jsonschema.Draft202012Validator(
    {"$ref": "#/$defs/server", "$defs": SCHEMA["$defs"]})


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Keys:
    """An ES256 key made and used by the openssl program."""

    def __init__(self, folder):
        self.pem = folder / "key.pem"
        run = lambda *a, **k: subprocess.run(a, check=True, capture_output=True, **k).stdout
        run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(self.pem))
        point = run("openssl", "ec", "-in", str(self.pem), "-pubout", "-outform", "DER")[-64:]
        self.jwks = {"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k1",
                               "x": b64(point[:32]), "y": b64(point[32:])}]}

    def sign(self, data):
        der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", str(self.pem)], input=data,
                             check=True, capture_output=True).stdout
        at, parts = 2, []
        for _ in range(2):
            size = der[at + 1]
            parts.append(der[at + 2:at + 2 + size].lstrip(b"\0").rjust(32, b"\0"))
            at += 2 + size
        return b"".join(parts)

    def token(self, name="Ada", sub="u_ada", exp=600, grant=None):
        now = int(time.time())
        claims = {"iss": "conclave", "sub": sub, "name": name, "org": "default", "kind": "guest",
                  "sid": "s_1", "jti": "j_1", "iat": now - 1000, "exp": now + exp,
                  "grant": {"room": "*", "publish": ["microphone", "camera", "screen"],
                            "subscribe": True, "moderate": False, "admin": False, **(grant or {})}}
        head = b64(json.dumps({"alg": "ES256", "kid": "k1", "typ": "JWT"}).encode())
        text = head + "." + b64(json.dumps(claims).encode())
        return text + "." + b64(self.sign(text.encode()))


class Node(threading.Thread):
    """A media node that says yes, remembers what it was asked, and can be told to fail."""

    def __init__(self, port, name="sfud-1"):
        super().__init__(daemon=True)
        self.port, self.name, self.epoch = port, name, "e1"
        self.requests, self.fail, self.silent, self.stop = [], None, 0, False
        self.start()

    def beat(self):
        redis = Redis(self.port)
        while not self.stop:
            redis("SADD", "cc:nodes", self.name)
            redis("SET", "cc:node:" + self.name, json.dumps(
                {"id": self.name, "load": 0.1, "participants": 0, "draining": False,
                 "epoch": self.epoch}), "EX", "5")
            time.sleep(0.2)

    def run(self):
        while not self.stop:
            try:
                threading.Thread(target=self.quietly, args=(self.beat,), daemon=True).start()
                self.serve()
            except (OSError, ConnectionError):
                time.sleep(0.1)

    @staticmethod
    def quietly(f):
        try:
            f()
        except (OSError, ConnectionError, RuntimeError):
            pass

    def serve(self):
        sub, pub = Redis(self.port), Redis(self.port)
        sub.send("SUBSCRIBE", f"cc:node:{self.name}:requests")
        while True:
            message = sub.read()
            if message[0] != "message":
                continue
            q = json.loads(message[2])
            self.requests.append(q)
            if self.silent > 0 and q["op"] == "participant.create":
                self.silent -= 1
                continue
            reply = {"id": q["id"], "ok": True}
            if self.fail and q["op"] == "participant.create":
                reply = {"id": q["id"], "ok": False, **self.fail}
            elif q["op"] in ("participant.create", "participant.update"):
                reply.update(sdp="v=0 answer", slots=[
                    {"mid": "4", "kind": "audio"}, {"mid": "5", "kind": "audio"},
                    {"mid": "6", "kind": "video"}, {"mid": "7", "kind": "video"}])
            pub("PUBLISH", q["reply"], json.dumps(reply))

    def last(self, op, **fields):
        for q in reversed(self.requests):
            if q["op"] == op and all(q.get(k) == v for k, v in fields.items()):
                return q
        return None


class Closed(Exception):
    pass


class Client:
    def __init__(self, port, protocol="conclave.v1", path="/ws", header=""):
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.settimeout(10)
        key = b64(os.urandom(16)) + "=="
        self.sock.sendall((f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                           f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                           f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {protocol}\r\n"
                           f"{header}\r\n").encode())
        self.buffer = b""
        head = self.until(b"\r\n\r\n").decode().lower()
        assert " 101 " in head and "sec-websocket-protocol: conclave.v1" in head, head
        self.events, self.next_id = [], 0

    def until(self, mark):
        while mark not in self.buffer:
            self.fill()
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def fill(self):
        data = self.sock.recv(65536)
        if not data:
            raise Closed(None)
        self.buffer += data

    def take(self, n):
        while len(self.buffer) < n:
            self.fill()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def frame(self, opcode, data, final=True):
        n = len(data)
        head = bytes([(0x80 if final else 0) | opcode])
        if n < 126:
            head += bytes([0x80 | n])
        elif n < 65536:
            head += bytes([0x80 | 126]) + struct.pack(">H", n)
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", n)
        self.sock.sendall(head + b"\0\0\0\0" + data)

    def receive(self):
        while True:
            first, second = self.take(2)
            n = second & 127
            if n == 126:
                n = struct.unpack(">H", self.take(2))[0]
            elif n == 127:
                n = struct.unpack(">Q", self.take(8))[0]
            data = self.take(n)
            if first & 15 == 8:
                self.frame(8, data)
                raise Closed(struct.unpack(">H", data[:2])[0])
            if first & 15 == 9:
                self.frame(10, data)
                continue
            message = json.loads(data)
            if VALIDATOR:
                VALIDATOR.validate(message)
            return message

    def text(self, text):
        self.frame(1, text if isinstance(text, bytes) else text.encode())

    def ask(self, op, **fields):
        self.next_id += 1
        self.text(json.dumps({"op": op, "id": self.next_id, **fields}))
        return self.reply(self.next_id)

    def reply(self, id):
        while True:
            m = self.receive()
            if m.get("id") == id and m["op"] != "chat":
                return m
            self.events.append(m)

    def event(self, op, condition=lambda m: True):
        while True:
            for i, m in enumerate(self.events):
                if m["op"] == op and condition(m):
                    del self.events[i]
                    return m
            self.events.append(self.receive())

    def closed(self):
        try:
            while True:
                self.events.append(self.receive())
        except Closed as e:
            return e.args[0]

    def join(self, token, room="standup", **more):
        return self.ask("join", token=token, room=room, sdp="v=0 offer",
                        sources={"0": "microphone", "1": "camera"}, **more)


class Cluster:
    def __init__(self, folder):
        self.folder = folder
        self.redis_port, self.keys = free_port(), Keys(folder)
        self.start_redis()
        keys = self.keys

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(keys.jwks).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.jwks = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.jwks.serve_forever, daemon=True).start()
        web = folder / "web" / "assets"
        web.mkdir(parents=True)
        (folder / "web" / "index.html").write_text("<!doctype html>")
        (web / "index-a1b2.js").write_text("let x = 1;\n" * 100)
        (folder / "secret.txt").write_text("secret")
        (folder / "web" / "link.txt").symlink_to(folder / "secret.txt")
        self.signalds = {}
        self.node = Node(self.redis_port)

    def start_redis(self):
        self.redis = start_redis(self.redis_port, self.folder)

    def start(self, name, *more):
        port, admin = free_port(), free_port()
        log = open(self.folder / f"{name}.log", "ab")
        process = subprocess.Popen(
            [SIGNALD, "--instance-id", name, "--listen", f"127.0.0.1:{port}", "--admin-listen",
             f"127.0.0.1:{admin}", "--redis-url", f"redis://127.0.0.1:{self.redis_port}",
             "--jwks-url", f"http://127.0.0.1:{self.jwks.server_port}/jwks.json", "--web-root",
             str(self.folder / "web"), *more], stderr=log)
        self.signalds[name] = process
        wait_for(f"{name} ready", lambda: http_get(admin, "/readyz")[0] == 200)
        wait_for(f"{name} sees the node",
                 lambda: Redis(self.redis_port)("EXISTS", "cc:node:sfud-1", "cc:signald:" + name) == 2)
        time.sleep(1.2)  # its next look at the registry
        return port, admin

    def end(self):
        for name, p in self.signalds.items():
            if p.poll() is None:
                p.terminate()
        codes = {name: p.wait(10) for name, p in self.signalds.items()}
        self.node.stop = True
        self.redis.kill()
        self.redis.wait()
        self.jwks.shutdown()
        return codes


def http_get(port, path, method="GET", headers=()):
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            s.sendall((f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
                       "".join(h + "\r\n" for h in headers) + "\r\n").encode())
            data = b""
            while chunk := s.recv(65536):
                data += chunk
    except OSError:
        return 0, "", b""
    if not data:
        return 0, "", b""
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode().lower(), body


# ---- tests: each name is the sentence ----

def pages_may_open_websockets_to_their_own_host_only(c):
    head = http_get(c.one, "/")[1]
    policy = head.split("content-security-policy: ")[1].split("\r")[0]
    sources = policy.split("connect-src ")[1].split(";")[0].split()
    host = sources[1].removeprefix("ws://")
    assert sources == ["'self'", "ws://" + host, "wss://" + host] and host, policy


def web_app_is_served_with_caching_and_types(c):
    status, head, body = http_get(c.one, "/")
    assert status == 200 and "no-cache" in head and "content-security-policy" in head
    assert body == b"<!doctype html>"
    etag = head.split("etag: ")[1].split("\r")[0]
    raw = http_get(c.one, "/", headers=[f"If-None-Match: {etag}"])
    assert raw[0] in (200, 304)
    assert http_get(c.one, "/r/standup")[2] == b"<!doctype html>"
    status, head, _ = http_get(c.one, "/assets/index-a1b2.js")
    assert status == 200 and "immutable" in head and "text/javascript" in head
    _, head, body = http_get(c.one, "/assets/index-a1b2.js", headers=["Accept-Encoding: gzip"])
    assert "content-encoding: gzip" in head and len(body) < 500
    _, head, body = http_get(c.one, "/assets/index-a1b2.js", "HEAD")
    assert "content-length: 1100" in head and body == b""


def nothing_outside_of_the_web_root_is_served(c):
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "/link.txt",
                 "/assets", "/%00", "/r/", "/r/a/b", "//etc/passwd", "/index.html%00.js"):
        status, _, body = http_get(c.one, path)
        assert status in (403, 404) or (status == 0 and not body) or b"secret" not in body, path
        assert b"secret" not in body, path
    assert http_get(c.one, "/", "POST")[0] == 405
    assert http_get(c.one, "/", "DELETE")[0] == 405


def only_the_given_address_is_listened_on(c):
    try:
        socket.create_connection(("127.0.0.2", c.one), 1).close()
    except ConnectionRefusedError:
        return
    raise AssertionError("127.0.0.2 answers too")


def long_urls_are_answered(c):
    assert http_get(c.one, "/" + "a" * 3000)[0] == 414
    assert http_get(c.one, "/" + "a" * 1024)[0] == 414
    assert http_get(c.one, "/" + "a" * 1000)[0] == 404
    status, _, body = http_get(c.one, "/r/standup?x=" + "a" * 3000)
    assert status == 200 and body == b"<!doctype html>"
    assert http_get(c.one, "/r/standup?name=Ada&join=1")[2] == b"<!doctype html>"
    try:
        Client(c.one, "other", "/ws")
    except AssertionError as e:
        assert "text/plain" in str(e) and "<" not in str(e), e
    else:
        raise AssertionError("opened")


def redis_connections_carry_the_instance_id(c):
    names = [part for line in Redis(c.redis_port)("CLIENT", "LIST").splitlines() for part in line.split()
             if part.startswith("name=")]
    assert names.count("name=one") == 2 and names.count("name=two") == 2, names


def configurations_that_make_no_sense_are_refused(c):
    for key, value in (("join-rate", "-1"), ("join-rate", "0"), ("join-rate", "nan"),
                       ("join-rate", "1e300"), ("jwks-url", "nonsense"), ("jwks-url", "ftp://x/"),
                       ("jwks-url", "http://"), ("jwks-url", "http:///x"), ("jwks-url", ""),
                       ("token-issuer", ""), ("allowed-origins", "https://a/"), ("allowed-origins", "app.example.org"), ("web-root", "/nonexistent"),
                       ("web-root", str(c.folder / "secret.txt"))):
        p = subprocess.run([SIGNALD, "--check-config", f"--{key}={value}"], capture_output=True)
        assert p.returncode == 64 and key in p.stderr.decode(), (key, value, p)
    p = subprocess.run([SIGNALD, "--check-config", "--join-rate=0.1", "--jwks-url=https://[::1]:1/x",
                        "--web-root", str(c.folder / "web")], capture_output=True)
    assert p.returncode == 0, p


def other_subprotocols_and_paths_get_an_http_error(c):
    for protocol, path in (("other", "/ws"), ("conclave.v1", "/else")):
        try:
            Client(c.one, protocol, path)
            raise RuntimeError("opened")
        except AssertionError as e:
            assert " 40" in str(e), e


def pages_of_other_origins_open_no_websocket_unless_allowed(c):
    port, _ = c.start("signald-origins", "--allowed-origins", "https://app.example.org,http://localhost:5173")
    for origin in ("http://x", "https://x", "https://app.example.org", "http://localhost:5173"):
        Client(port, header=f"Origin: {origin}\r\n").sock.close()
    for origin in ("https://evil.example", "null", "https://x.evil.example", "http://app.example.org", "a" * 400):
        try:
            Client(port, header=f"Origin: {origin}\r\n")
            raise RuntimeError(f"opened for {origin}")
        except AssertionError as e:
            assert " 403 " in str(e), e
    status, headers, body = http_get(port, "/whip/r", "OPTIONS", ["Origin: https://app.example.org"])
    assert status == 204 and "access-control-allow-origin: https://app.example.org\r\n" in headers + "\r\n", headers
    assert http_get(port, "/whip/r", "OPTIONS", ["Origin: https://evil.example"])[0] == 403
    # Answered before the request is whole, and to be read all the same.
    status, headers, body = http_get(port, "/whip/r", "POST", ["Origin: https://app.example.org"])
    assert status == 411 and "access-control-allow-origin: https://app.example.org\r\n" in headers + "\r\n", headers
    c.signalds["signald-origins"].terminate()


def wrong_messages_get_stable_errors(c):
    a = Client(c.one)
    a.text("{nonsense")
    assert a.receive()["error"] == "bad-json"
    a.text(b'{"op":"ping","id":1,"x":"\xff"}')
    assert a.receive()["error"] == "bad-json"
    assert a.ask("dance")["error"] == "unknown-op"
    assert a.ask("chat", text="x")["error"] == "not-joined"
    assert a.ask("ping")["op"] == "pong"
    assert a.join("x", room="a\nb")["error"] == "bad-room-name"
    assert a.join("x.y.z")["error"] == "bad-token"
    assert a.closed() == 4401
    a = Client(c.one)
    assert a.join(c.keys.token(exp=-100))["error"] == "token-expired"
    a = Client(c.one)
    a.frame(2, b"\0\1")
    assert a.receive()["error"] == "binary-not-supported"
    assert a.closed() == 1003
    a = Client(c.one)
    a.text("x" * 300000)
    assert a.receive()["error"] == "message-too-big"
    assert a.closed() == 1009
    a = Client(c.one)  # a message in fragments
    data = json.dumps({"op": "ping", "id": 9}).encode()
    a.frame(1, data[:5], False)
    a.frame(0, data[5:9], False)
    a.frame(0, data[9:])
    assert a.receive() == {"op": "pong", "id": 9}
    assert a.join(c.keys.token(grant={"room": "other"}))["error"] == "forbidden"


def refused_sdp_is_reported_and_seen_by_nobody(c):
    c.node.fail = {"error": "bad-sdp", "message": "line 3: no"}
    a = Client(c.one)
    m = a.join(c.keys.token(), room="refused")
    assert m["error"] == "bad-sdp" and m["message"] == "line 3: no", m
    c.node.fail = None
    assert a.join(c.keys.token(), room="refused")["op"] == "joined"
    a.ask("leave")


def people_of_two_signalds_meet(c):
    a, b = Client(c.one), Client(c.two)
    ja = a.join(c.keys.token("Ada", "u_ada"), room="Meet")
    assert ja["op"] == "joined" and ja["room"] == "meet" and ja["role"] == "moderator", ja
    jb = b.join(c.keys.token("Bob", "u_bob"), room="meet", name="Bobby")
    assert [p["name"] for p in jb["participants"]] == ["Ada", "Bobby"] and jb["role"] == "member"
    assert a.event("participant-joined")["participant"]["id"] == jb["participant"]
    create = c.node.last("participant.create")
    assert create["allowed"] == ["microphone", "camera", "screen"] and create["data"] is True
    assert a.ask("publish", source="camera", width=1280, height=720)["op"] == "ok"
    slots = b.event("slots", lambda m: any(s["participant"] for s in m["slots"]))["slots"]
    assert {"mid": "6", "kind": "video", "participant": ja["participant"],
            "source": "camera"} in slots
    told = wait_for("slots.set", lambda: c.node.last(
        "slots.set", participant=jb["participant"]))
    wait_for("the camera", lambda: any(
        s["track"] == ja["participant"] + "/camera"
        for s in c.node.last("slots.set", participant=jb["participant"])["slots"]))
    assert b.ask("view", video=[{"participant": ja["participant"], "source": "camera",
                                 "height": 180}])["op"] == "ok"
    wait_for("a smaller layer", lambda: any(
        s["spatial_max"] == 0
        for s in c.node.last("slots.set", participant=jb["participant"])["slots"]))
    assert c.node.last("slots.set", participant=jb["participant"])["version"] > told["version"]
    assert b.ask("chat", text="hello")["op"] == "ok"
    assert a.event("chat")["text"] == "hello" and b.event("chat")["name"] == "Bobby"
    assert a.ask("publish", source="screen-audio")["error"] == "forbidden"
    assert b.ask("remove", participant=ja["participant"])["error"] == "forbidden"
    assert b.ask("publish", source="microphone")["op"] == "ok"
    assert a.ask("mute", source="microphone", participant=jb["participant"],
                 muted=True)["op"] == "ok"
    m = b.event("participant-updated", lambda m: m["participant"]["id"] == jb["participant"] and
                m["participant"]["tracks"] and m["participant"]["tracks"][0]["muted"])
    assert m["participant"]["tracks"][0]["muted_by"] == "moderator"
    wait_for("track.set", lambda: c.node.last("track.set", muted=True))
    assert b.ask("mute", source="microphone", muted=False)["op"] == "ok"
    wait_for("track.set", lambda: c.node.last("track.set", muted=False))
    redis = Redis(c.redis_port)
    redis("PUBLISH", "cc:{default/meet}:media", json.dumps(
        {"op": "speakers", "node": "sfud-1",
         "speakers": [{"participant": jb["participant"], "level": 20}],
         "dominant": jb["participant"]}))
    m = a.event("speakers")
    assert m["speakers"][0]["level"] == 20 and m["dominant"] == jb["participant"]
    redis("PUBLISH", "cc:{default/meet}:media", json.dumps(
        {"op": "transport", "node": "sfud-1", "participant": ja["participant"],
         "state": "connected"}))
    assert a.event("media")["state"] == "connected"
    late = Client(c.two)
    assert [m["text"] for m in late.join(c.keys.token("Cy", "u_cy"), room="meet")["chat"]] == ["hello"]
    assert late.ask("leave")["op"] == "ok" and late.closed() == 1000
    assert a.event("participant-left")["reason"] == "left"
    assert a.ask("remove", participant=jb["participant"])["op"] == "ok"
    assert b.event("closing")["reason"] == "removed" and b.closed() == 4403
    assert a.event("participant-left", lambda m: m["participant"] == jb["participant"])[
        "reason"] == "removed"
    wait_for("removal", lambda: c.node.last("participant.remove", participant=jb["participant"]))
    a.ask("leave")
    wait_for("end of the room", lambda: not redis("EXISTS", "cc:{default/meet}:state"))
    types = [json.loads(e[1][1])["type"] for e in redis("XRANGE", "cc:audit", "-", "+")]
    for t in ("room.created", "participant.joined", "track.muted", "participant.removed",
              "participant.left", "room.ended", "token.refused"):
        assert t in types, t


def a_broken_socket_resumes_at_the_other_signald(c):
    a, b = Client(c.one), Client(c.two)
    ja = a.join(c.keys.token("Ada", "u_ada"), room="resume")
    b.join(c.keys.token("Bob", "u_bob"), room="resume")
    a.ask("publish", source="camera", width=640, height=360)
    a.sock.close()
    assert b.event("participant-updated", lambda m: not m["participant"]["connected"])
    again = Client(c.two)
    r = again.ask("resume", resume=ja["resume"], seq=1)
    assert r["op"] == "resumed" and r["participant"] == ja["participant"], r
    assert [s["mid"] for s in r["slots"]] == ["4", "5", "6", "7"] and r["signald"] == "two"
    me = [p for p in r["participants"] if p["id"] == ja["participant"]][0]
    assert me["connected"] and me["tracks"][0]["source"] == "camera"
    assert b.event("participant-updated", lambda m: m["participant"]["connected"])
    assert Client(c.one).ask("resume", resume=ja["resume"])["error"] == "resume-expired"
    third = Client(c.one)  # the old socket still stands: it is closed
    assert third.ask("resume", resume=r["resume"])["op"] == "resumed"
    assert again.event("closing")["reason"] == "replaced" and again.closed() == 4409
    assert third.ask("chat", text="back")["op"] == "ok"
    fourth = Client(c.one)
    r = third.ask("ping")
    third.ask("leave")
    b.ask("leave")


def the_address_is_the_clients_behind_a_trusted_proxy(c):
    a = Client(c.one, header="X-Forwarded-For: 10.9.9.9, ::ffff:203.0.113.9\r\n")
    a.join(c.keys.token(), room="proxied")
    a.ask("leave")
    events = [json.loads(e[1][1]) for e in Redis(c.redis_port)("XRANGE", "cc:audit", "-", "+")]
    joined = [e for e in events if e["type"] == "participant.joined" and e["room"] == "proxied"]
    assert joined[0]["address"] == "203.0.113.9", joined


def a_silent_node_is_asked_twice_and_then_reported(c):
    a = Client(c.one)
    c.node.silent = 1
    assert a.join(c.keys.token(), room="silent")["op"] == "joined"
    a.ask("leave")
    a = Client(c.one)
    c.node.silent = 2
    assert a.join(c.keys.token(), room="silent2")["error"] == "node-timeout"
    ids = [q["id"] for q in c.node.requests if q["op"] == "participant.create"][-2:]
    assert ids[0] == ids[1]


def without_redis_sockets_stay_and_everything_returns(c):
    a, b = Client(c.one), Client(c.two)
    ja = a.join(c.keys.token("Ada", "u_ada"), room="outage")
    jb = b.join(c.keys.token("Bob", "u_bob"), room="outage")
    a.ask("publish", source="camera", width=640, height=360)
    b.event("slots", lambda m: any(s["participant"] for s in m["slots"]))
    c.redis.kill()
    c.redis.wait()
    wait_for("refusal", lambda: a.ask("chat", text="x").get("error") == "unavailable")
    m = a.ask("chat", text="x")
    assert m["retry_after_ms"] == 1000 and a.ask("ping")["op"] == "pong"
    assert b.ask("hand", raised=True)["error"] == "unavailable"
    time.sleep(1)
    c.start_redis()  # empty: everything was lost
    redis = Redis(c.redis_port)
    wait_for("both are put back", lambda: redis("HLEN", "cc:{default/outage}:state") and {
        "p:" + ja["participant"], "p:" + jb["participant"]} <= set(
            redis("HKEYS", "cc:{default/outage}:state")), 15)
    state = a.event("room-state")
    assert {p["id"] for p in state["participants"]} == {ja["participant"], jb["participant"]}
    wait_for("chat", lambda: a.ask("chat", text="again").get("op") == "ok")
    assert b.event("chat", lambda m: m["text"] == "again")
    emptied = [m for m in b.events if m["op"] == "slots" and
               not any(s["participant"] for s in m["slots"])]
    assert not emptied, "nobody's video was cut off"
    a.ask("leave")
    b.ask("leave")


def a_lost_node_is_reported_and_the_socket_may_join_again(c):
    a = Client(c.one)
    ja = a.join(c.keys.token(), room="lost")
    assert a.join(c.keys.token(), room="lost")["error"] == "already-joined"
    c.node.epoch = "e2"
    assert a.event("media")["state"] == "failed"
    jb = a.join(c.keys.token(), room="lost")
    assert jb["op"] == "joined" and jb["participant"] != ja["participant"]
    a.ask("leave")


def messages_are_limited(c):
    a = Client(c.one)
    for i in range(1, 131):
        a.text(json.dumps({"op": "ping", "id": i}))
    replies = [a.receive() for _ in range(130)]
    limited = [m for m in replies if m["op"] == "error"]
    assert limited and limited[0]["error"] == "rate-limited" and limited[0]["retry_after_ms"] > 0
    for i in range(600):
        try:
            a.text(json.dumps({"op": "ping", "id": i + 1}))
        except OSError:
            break
    assert a.closed() == 4429


def people_of_a_killed_signald_are_detached_then_resume(c):
    port, _ = c.start("three")
    a, b = Client(port), Client(c.one)
    ja = a.join(c.keys.token("Ada", "u_ada"), room="killed")
    b.join(c.keys.token("Bob", "u_bob"), room="killed")
    c.signalds["three"].kill()
    c.signalds.pop("three").wait()
    b.sock.settimeout(30)
    b.event("participant-updated", lambda m: not m["participant"]["connected"])
    again = Client(c.two)
    assert again.ask("resume", resume=ja["resume"])["op"] == "resumed"
    again.ask("leave")
    b.ask("leave")


def draining_tells_clients_and_ends_in_time(c):
    port, admin = c.start("four")
    a, b = Client(port), Client(c.one)
    ja = a.join(c.keys.token("Ada", "u_ada"), room="drain")
    b.join(c.keys.token("Bob", "u_bob"), room="drain")
    started = time.monotonic()
    c.signalds["four"].terminate()
    assert a.event("closing")["reason"] == "draining" and a.closed() == 1001
    again = Client(c.two)
    assert again.ask("resume", resume=ja["resume"])["op"] == "resumed"
    assert c.signalds.pop("four").wait(10) == 0
    assert time.monotonic() - started < 5
    again.ask("leave")
    b.ask("leave")


TESTS = [web_app_is_served_with_caching_and_types, nothing_outside_of_the_web_root_is_served,
         only_the_given_address_is_listened_on, redis_connections_carry_the_instance_id, long_urls_are_answered,
         configurations_that_make_no_sense_are_refused,
         other_subprotocols_and_paths_get_an_http_error,
         pages_of_other_origins_open_no_websocket_unless_allowed, wrong_messages_get_stable_errors,
         refused_sdp_is_reported_and_seen_by_nobody, people_of_two_signalds_meet,
         a_broken_socket_resumes_at_the_other_signald,
         the_address_is_the_clients_behind_a_trusted_proxy,
         a_silent_node_is_asked_twice_and_then_reported, messages_are_limited,
         a_lost_node_is_reported_and_the_socket_may_join_again,
         people_of_a_killed_signald_are_detached_then_resume,
         draining_tells_clients_and_ends_in_time,
         without_redis_sockets_stay_and_everything_returns]


def main():
    if is_missing("redis-server", "openssl"):
        print("SKIP: redis-server and openssl are needed")
        return 77
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        c = Cluster(pathlib.Path(folder))
        try:
            c.one, c.one_admin = c.start("one")
            c.two, _ = c.start("two")
            only = sys.argv[3:]
            for test in TESTS:
                if only and test.__name__ not in only:
                    continue
                started = time.monotonic()
                try:
                    test(c)
                    print(f"ok {test.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
                except Exception as e:  # report every test
                    import traceback
                    traceback.print_exc()
                    print(f"not ok {test.__name__}: {e!r}", flush=True)
                    failed += 1
        finally:
            codes = c.end()
        if any(codes.values()):
            print("not ok exit codes", codes)
            failed += 1
        if failed:
            for log in pathlib.Path(folder).glob("*.log"):
                print("==", log.name)
                print(log.read_text()[-6000:])
    return 1 if failed else 0


sys.exit(main())
