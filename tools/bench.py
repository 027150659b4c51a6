#!/usr/bin/env python3
"""./dev bench WORD: what the daemons cost, measured side by side on one machine. See docs/performance.md.

A word is a module bench_<word>.py with add_options(parser) and run(options) -> result, a dict that goes to
the JSON file; show(result) prints it, plots(result) gives {name: SVG text}. One that judges has passed(result), too:
if that is false, the exit status is 1.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import importlib
import json
import os
import platform
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORDS = ("forward", "grow", "seal", "compare", "join", "signal", "soak")


def environment():
    """What the figures depend on and the code does not say."""
    def text(path, key):
        with open(path) as f:
            return next((line.split(":", 1)[1].strip() for line in f if line.startswith(key)), "")

    def git(*arguments):
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip()

    return {"cpu": text("/proc/cpuinfo", "model name"), "cores": os.cpu_count(), "kernel": platform.release(),
            "memory": text("/proc/meminfo", "MemTotal"), "load_average": os.getloadavg()[0],
            "commit": git("rev-parse", "--short", "HEAD"), "changed": bool(git("status", "--porcelain", "-uno")),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started ends, too
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.split("\n")[0])
    words = parser.add_subparsers(dest="word", required=True)
    modules = {word: importlib.import_module(f"bench_{word}") for word in WORDS}
    for word, module in modules.items():
        one = words.add_parser(word, help=module.__doc__.split("\n")[0], description=module.__doc__.split("\n")[0])
        one.add_argument("--build", default=f"{ROOT}/build/bench", help="build directory of what is measured")
        one.add_argument("--out", default=f"{ROOT}/.conclave/bench", help="directory of the results")
        module.add_options(one)
    options = parser.parse_args()
    module = modules[options.word]
    result = {"word": options.word, "environment": environment(), **module.run(options)}
    module.show(result)
    os.makedirs(options.out, exist_ok=True)
    path = f"{options.out}/{options.word}.json"
    with open(path, "w") as f:
        json.dump(result, f, indent=1)
    for name, svg in module.plots(result).items():
        with open(f"{options.out}/{options.word}-{name}.svg", "w") as f:
            f.write(svg)
    print(f"\nresult and plots: {os.path.relpath(options.out)}/{options.word}*", file=sys.stderr)
    if hasattr(module, "passed") and not module.passed(result):
        sys.exit(1)


if __name__ == "__main__":
    main()
