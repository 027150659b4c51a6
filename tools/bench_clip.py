"""The publisher of `forward` as a clip for the bots: VP8 frames of the trace's sizes.

Only headers are real (RFC 6386 §9.1): bots and servers look at nothing else.

SPDX-License-Identifier: Apache-2.0
"""
import struct

WIDTH, HEIGHT, FRAMES_PER_S = 1280, 720, 30
KEY_HEADER = 10


def frame(size, is_key):
    first_part = min(size // 2, 0x7FFFF)
    tag = (first_part << 5 | 1 << 4 | (0 if is_key else 1)).to_bytes(3, "little")
    head = tag + (b"\x9d\x01\x2a" + struct.pack("<HH", WIDTH, HEIGHT) if is_key else b"")
    return head + bytes(max(size - len(head), 0))


def ivf(trace):
    """The text of a trace (a frame's size in each line, keyframes with a K) as an IVF file."""
    lines = [line.split() for line in trace.split("\n") if line.strip()]
    out = [struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, b"VP80", WIDTH, HEIGHT, FRAMES_PER_S, 1, len(lines), 0)]
    for i, (size, *mark) in enumerate(lines):
        data = frame(max(int(size), KEY_HEADER), mark == ["K"])
        out += [struct.pack("<IQ", len(data), i), data]
    return b"".join(out)
