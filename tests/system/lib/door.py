"""A door out of a network namespace: door.py NAMESPACE PORT…

Listens on 127.0.0.1:PORT inside the namespace and passes every TCP connection on to the same address
outside of it. A socket belongs to the namespace it was made in, so one process can have both.
Prints "open" when it listens. SPDX-License-Identifier: Apache-2.0
"""
import asyncio
import ctypes
import os
import socket
import sys

CLONE_NEWNET = 0x40000000


def enter(path):
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if libc.setns(fd, CLONE_NEWNET) != 0:
        sys.exit(f"setns {path}: {os.strerror(ctypes.get_errno())}")
    os.close(fd)


def listen_inside(namespace, ports):
    home = f"/proc/{os.getpid()}/ns/net"
    back = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
    enter(f"/run/netns/{namespace}")
    sockets = []
    for port in ports:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        s.listen(64)
        sockets.append((port, s))
    enter(f"/proc/self/fd/{back}")
    os.close(back)
    return sockets


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def main():
    async def passage(port, reader, writer):
        try:
            out_reader, out_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, out_writer), copy(out_reader, writer))

    for port, listener in listen_inside(sys.argv[1], [int(p) for p in sys.argv[2:]]):
        await asyncio.start_server(lambda r, w, port=port: passage(port, r, w), sock=listener)
    print("open", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
