#!/usr/bin/env python3
"""Writes the C file that carries the built-in clips: embed.py <codec>-<height>.<ext> … <output.c>

SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import sys

HEAD = """/* Written by loadtest/clips/embed.py. SPDX-License-Identifier: Apache-2.0 */
#include "core/clip_data.h"
"""
CLIP = """
__asm__(".pushsection .rodata\\n"
        ".hidden {symbol}\\n.globl {symbol}\\n{symbol}:\\n.incbin \\"{path}\\"\\n"
        ".popsection\\n");
extern const uint8_t {symbol}[{size}];
"""


def main():
    rows = []
    with open(sys.argv[-1], "w", encoding="utf-8") as out:
        out.write(HEAD)
        for path in sys.argv[1:-1]:
            codec, height = re.fullmatch(r"(\w+)-(\d+)\.\w+", os.path.basename(path)).groups()
            symbol, size = f"clip_{codec}_{height}", os.path.getsize(path)
            quoted = os.path.abspath(path).replace("\\", "\\\\").replace('"', '\\"')
            out.write(CLIP.format(symbol=symbol, path=quoted, size=size))
            rows.append(f"    {{ CODEC_{codec.upper()}, {height}, {{ {symbol}, {size} }} }},")
        out.write("\nconst struct clip_data clip_data[] = {\n" + "\n".join(rows) + "\n};\n")
        out.write(f"const size_t clip_data_count = {len(rows)};\n")


if __name__ == "__main__":
    main()
