"""What the Python tests share: ports, waiting, a small Redis client. SPDX-License-Identifier: Apache-2.0"""
import shutil
import socket
import subprocess
import time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition, seconds=10.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"timed out waiting for {what}")


class Redis:
    """The few commands that the tests need."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.file = self.sock.makefile("rb")

    def send(self, *args):
        out = b"*%d\r\n" % len(args)
        for a in args:
            a = a if isinstance(a, bytes) else str(a).encode()
            out += b"$%d\r\n%s\r\n" % (len(a), a)
        self.sock.sendall(out)

    def read(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError
        kind, rest = line[:1], line[1:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2].decode()
        if kind == b":":
            return int(rest)
        if kind == b"-":
            raise RuntimeError(rest.decode())
        return rest.decode()

    def __call__(self, *args):
        self.send(*args)
        return self.read()


def start_redis(port, folder):
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no", "--dir",
         str(folder)], stdout=subprocess.DEVNULL)

    def can_ping():
        try:
            return Redis(port)("PING") == "PONG"
        except (OSError, ConnectionError, RuntimeError):
            return False

    wait_for("redis", can_ping)
    return process


def is_missing(*programs):
    return any(shutil.which(p) is None for p in programs)
