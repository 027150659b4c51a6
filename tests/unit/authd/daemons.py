"""Starts real daemons for tests: a redis-server of its own, authd, auditd, in a temporary directory.

Everything listens on ports that the kernel chooses; every process ends with the test.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

DEADLINE = 15
# For starts that fail: the process ends and gives nothing back, which is no leak.
WITHOUT_LEAK_CHECK = {**os.environ, "ASAN_OPTIONS":
                      os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}


def wait_for(what, condition):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {DEADLINE} s for {what}")


class Cluster:
    """with Cluster() as c: c.redis(); c.daemon(path, …)"""

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="conclave-test-")
        self.socket = os.path.join(self.dir, "redis.sock")
        self.processes = []
        self.redis_process = None
        return self

    def __exit__(self, kind, value, trace):
        for p in self.processes:
            if p.poll() is None:
                p.kill()
            p.wait()
        if kind is not None:
            for name in sorted(os.listdir(self.dir)):
                if name.endswith(".log"):
                    with open(os.path.join(self.dir, name), errors="replace") as log:
                        print(f"--- {name}\n{log.read()[-6000:]}")
        shutil.rmtree(self.dir)

    def start(self, name, args):
        log = open(os.path.join(self.dir, name + ".log"), "ab")
        p = subprocess.Popen(args, stdout=log, stderr=log, cwd=self.dir)
        log.close()
        self.processes.append(p)
        return p

    def redis(self):
        self.redis_process = self.start("redis", [
            "redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.dir,
            "--save", "", "--appendonly", "yes", "--appendfsync", "always"])
        wait_for("redis", lambda: self.try_redis("PING") == b"PONG")
        return self.redis_process

    def stop_redis(self):
        self.redis_process.send_signal(signal.SIGTERM)
        self.redis_process.wait()

    def try_redis(self, *args):
        try:
            return self.redis_command(*args)
        except (OSError, ConnectionError):
            return None

    def redis_command(self, *args):
        """One command over a connection of its own (RESP, plain)."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.socket)
            return self.pipeline(s, [args])[0]

    @staticmethod
    def pipeline(s, commands):
        out = b""
        for args in commands:
            out += b"*%d\r\n" % len(args)
            for a in args:
                a = a if isinstance(a, bytes) else str(a).encode()
                out += b"$%d\r\n%s\r\n" % (len(a), a)
        s.sendall(out)
        f = s.makefile("rb")

        def reply():
            line = f.readline()
            if not line:
                raise ConnectionError("redis closed the connection")
            kind, rest = line[:1], line[1:-2]
            if kind == b"-":
                raise ConnectionError(rest.decode())
            if kind == b":":
                return int(rest)
            if kind == b"$":
                return None if rest == b"-1" else f.read(int(rest) + 2)[:-2]
            if kind == b"*":
                return None if rest == b"-1" else [reply() for _ in range(int(rest))]
            return rest
        return [reply() for _ in commands]

    def daemon(self, path, *options, name=None):
        """Starts a daemon and waits until it is ready."""
        d = Daemon(self, path, name or os.path.basename(path), options)
        d.wait_ready()
        return d


class Daemon:
    def __init__(self, cluster, path, name, options):
        self.log = os.path.join(cluster.dir, name + ".log")
        begin = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        self.process = cluster.start(name, [
            path, "--redis-url", "unix://" + cluster.socket, "--listen", "127.0.0.1:0",
            "--admin-listen", "127.0.0.1:0", *options])

        def started():
            assert self.process.poll() is None, f"{name} ended: {self.read_log(begin)}"
            return re.search(r"evt=daemon.started .*?port=(\d+) admin_port=(\d+)",
                             self.read_log(begin))
        self.port, self.admin = wait_for(name, started).groups()

    def read_log(self, begin=0):
        with open(self.log, "rb") as f:
            f.seek(begin)
            return f.read().decode(errors="replace")

    def wait_ready(self):
        wait_for("readiness", lambda: self.probe("/readyz") == 200)

    def metric(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=5) as r:
            found = re.search(rf"^{re.escape(name)} (\S+)$", r.read().decode(), re.M)
        return float(found[1])

    def probe(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=2) as r:
                return r.status
        except urllib.error.HTTPError as e:
            with e:
                return e.code
        except OSError:
            return 0

    def ask(self, method, path, body=None, headers=None):
        """(status, parsed body or None, headers)"""
        data = None if body is None else json.dumps(body).encode()
        headers = dict(headers or {})
        if data is not None:
            headers.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=data,
                                         headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as r:
                raw, status, got = r.read(), r.status, r.headers
        except urllib.error.HTTPError as e:
            with e:
                raw, status, got = e.read(), e.code, e.headers
        return status, json.loads(raw) if raw else None, got

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=10)
        assert code == 0, f"exit code {code}: {self.read_log()[-3000:]}"

    def kill(self):
        self.process.kill()
        self.process.wait()
