#!/usr/bin/env python3
"""The house style that a script can see: fails on what may not be, prints figures that guide.

SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BANNED = {
    r"\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|strtok)\(": "unsafe or silent: use the bounded form",
    r"\b(FIXME|XXX)\b": "unfinished",
    r"\bTODO\b(?!\(#\d+\))": "needs an issue number",
    r"\t": "tab",
    r"[ ]+$": "trailing space",
}
PURE = re.compile(r"^(lib/(common|rtc)/[^/]+|services/\w+/core/.*)\.[ch]$")
BANNED_IN_PURE = {
    r"\b(clock_gettime|gettimeofday|time)\(": "time is a parameter here",
    r"(?<![\w>.])(rand|random|getrandom)\(": "randomness is a parameter here",
    r"\blog_(info|warn|error|debug)\(": "logs are for io and main",
    r"\bpthread_mutex": "no lock in a core",
    r"#include <(sys/socket|unistd|pthread|uv)\.h>": "the operating system is for io",
}
SECRET = re.compile(r"memcmp\([^;]*\b(mac|hmac|secret|password|proof|verifier)\w*", re.I)


def functions(text):
    """Lengths of the functions of a C file in house style (the brace of a function is on its own line)."""
    start = None
    for number, line in enumerate(text.split("\n")):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            yield start, number - start
            start = None


def doc_references(problems):
    """Every `file:function` that docs/ name exists: docs that lie are worse than none."""
    for directory, _, names in os.walk(f"{ROOT}/docs"):
        for name in names:
            if not name.endswith(".md"):
                continue
            path = os.path.join(directory, name)
            for target, symbol in re.findall(r"`([\w/.-]+\.(?:c|h|ts|tsx|lua|py)):(\w+)`", open(path).read()):
                where = os.path.relpath(path, ROOT)
                if not os.path.exists(f"{ROOT}/{target}"):
                    problems.append(f"{where}: names {target}, which does not exist")
                elif not re.search(rf"\b{symbol}\b", open(f"{ROOT}/{target}").read()):
                    problems.append(f"{where}: names {target}:{symbol}, which does not exist")


def main():
    names = subprocess.run(["git", "ls-files", "*.c", "*.h"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    problems, lengths, sizes = [], [], []
    for name in names:
        path = f"{ROOT}/{name}"
        if not os.path.exists(path):
            continue
        text = open(path, encoding="utf-8").read()
        lines = text.split("\n")
        sizes.append(len(lines))
        if "SPDX-License-Identifier: Apache-2.0" not in text:
            problems.append(f"{name}: no SPDX line")
        rules = dict(BANNED, **(BANNED_IN_PURE if PURE.match(name) else {}))
        for number, line in enumerate(lines, 1):
            if len(line) > 120:
                problems.append(f"{name}:{number}: {len(line)} columns")
            for pattern, why in rules.items():
                if re.search(pattern, line):
                    problems.append(f"{name}:{number}: {why}: {line.strip()[:80]}")
            if SECRET.search(line) and not name.startswith("tests/"):
                problems.append(f"{name}:{number}: a secret is compared in constant time (bytes_equal_secret)")
        for start, length in functions(text):
            if not name.startswith("tests/"):
                lengths.append(length)
    doc_references(problems)
    for problem in problems:
        print(problem)
    if lengths:
        lengths.sort()
        print(f"files {len(sizes)}, lines/file p50 {int(statistics.median(sizes))} max {max(sizes)}; functions {len(lengths)}, "
              f"lines p50 {int(statistics.median(lengths))} p90 {lengths[len(lengths) * 9 // 10]} max {lengths[-1]}, "
              f"over 70: {100 * sum(n > 70 for n in lengths) / len(lengths):.1f} %")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
