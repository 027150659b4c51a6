#!/usr/bin/env python3
"""A file as a C array: `const char NAME[]`, zero-terminated. usage: embed.py NAME INPUT OUTPUT.

SPDX-License-Identifier: Apache-2.0
"""
import sys

name, source, target = sys.argv[1:]
data = open(source, "rb").read()
with open(target, "w") as out:
    out.write(f"/* made from {source.rsplit('/', 1)[-1]}; do not edit */\nextern const char {name}[];\nconst char {name}[] = {{\n")
    for at in range(0, len(data), 24):
        out.write("".join(f"{b - 256 if b > 127 else b}," for b in data[at:at + 24]) + "\n")
    out.write("0};\n")
