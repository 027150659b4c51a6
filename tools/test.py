#!/usr/bin/env python3
"""Runs all tests and adds them up: `./dev test [unit|system [PATTERN]]`.

Every group prints what it runs, stops nothing but itself when it fails, and adds to one closing
line. SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SANITIZERS = {
    "ASAN_OPTIONS": "abort_on_error=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1",
    "LSAN_OPTIONS": "print_suppressions=0",
}
SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|runtime error:|check failed:|WARNING: ThreadSanitizer")


class Total:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def add(self, passed=0, failed=0, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped

    def one(self, name, ok, detail=""):
        self.add(passed=int(ok), failed=int(not ok))
        print(f"{'ok  ' if ok else 'FAIL'} {name}", flush=True)
        if not ok:
            self.failures.append(name)
            if detail:
                print(detail, flush=True)


def run(command, cwd=ROOT, env=None, timeout=1800, quiet=False):
    """(exit status, output). Prints the command; the output too unless quiet."""
    print("+ " + " ".join(command), flush=True)
    result = subprocess.run(command, cwd=cwd, env={**os.environ, **SANITIZERS, **(env or {})}, timeout=timeout,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if quiet else None,
                            stderr=subprocess.STDOUT if quiet else None, text=True, errors="replace")
    return result.returncode, result.stdout or ""


def build(total, directory, *options, compiler=None):
    """Configures once and compiles; a failure counts as a failed test."""
    env = {"CC": compiler} if compiler else {}
    if not os.path.exists(f"{ROOT}/{directory}/build.ninja"):
        status, output = run(["meson", "setup", directory, *options], env=env, quiet=True)
        if status != 0:
            total.one(f"{directory} configures", False, output[-4000:])
            return False
    status, output = run(["ninja", "-C", directory], env=env, quiet=True)
    total.one(f"{directory} builds without a warning", status == 0, output[-8000:])
    return status == 0


def meson_tests(total, directory, suite):
    status, output = run(["meson", "test", "-C", directory, "--suite", suite, "--no-rebuild", "--timeout-multiplier", "3",
                          "--print-errorlogs"], quiet=True)
    log = f"{ROOT}/{directory}/meson-logs/testlog.json"
    if not os.path.exists(log):
        total.one(f"{directory}: meson test", False, output[-4000:])
        return
    for line in open(log, encoding="utf-8", errors="replace"):
        test = json.loads(line)
        text = (test.get("stdout") or "") + (test.get("stderr") or "")
        passed = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test", text))
        failed = sum(int(n) for n in re.findall(r"\[  FAILED  \] (\d+) test", text))
        skipped = sum(int(n) for n in re.findall(r"\[  SKIPPED \] (\d+) test", text))
        name = test["name"].split(" / ")[-1]
        if test["result"] == "SKIP":
            total.add(skipped=1)
            print(f"skip {name}", flush=True)
        elif test["result"] in ("OK", "EXPECTEDFAIL"):
            total.add(passed=max(passed, 1), skipped=skipped)
            print(f"ok   {name} ({max(passed, 1)})", flush=True)
        else:
            total.add(passed=passed, failed=max(failed, 1), skipped=skipped)
            total.failures.append(name)
            print(f"FAIL {name}\n{text[-6000:]}", flush=True)


def npm_ready(directory):
    lock = open(f"{ROOT}/{directory}/package-lock.json", "rb").read()
    import hashlib
    stamp = hashlib.sha256(lock).hexdigest()
    path = f"{ROOT}/{directory}/node_modules/.conclave-lock"
    if not os.path.exists(path) or open(path).read().strip() != stamp:
        status, output = run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=f"{ROOT}/{directory}", quiet=True)
        if status != 0:
            sys.exit(f"npm ci failed in {directory}\n{output[-3000:]}")
        open(path, "w").write(stamp)


def unit(total):
    sanitized = build(total, "build/test", "-Db_sanitize=address,undefined", "-Dwerror=true", "--buildtype=debugoptimized")
    build(total, "build/clang", "-Dwerror=true", "--buildtype=release", compiler="clang")
    if sanitized:
        meson_tests(total, "build/test", "unit")
    if build(total, "build/tsan", "-Db_sanitize=thread", "-Dwerror=true", "--buildtype=debugoptimized"):
        meson_tests(total, "build/tsan", "tsan")
    for name, command in (("house style", ["python3", "tools/tidy.py"]),
                          ("reference tables are current", ["python3", "tools/docs.py", "--check", "build/clang"]),
                          ("layers touch only what they may", ["python3", "tools/purity.py", "build/clang"])):
        status, output = run(command, quiet=True)
        total.one(name, status == 0, output[-4000:])
    web_unit(total)


def web_unit(total):
    npm_ready("web")
    status, output = run(["npm", "run", "--silent", "lint"], cwd=f"{ROOT}/web", quiet=True)
    total.one("web: types and lint", status == 0, output[-4000:])
    for workspace in ("sdk", "app"):
        report = tempfile.mktemp(suffix=".json")
        status, output = run(["npx", "vitest", "run", "--reporter=json", f"--outputFile={report}"],
                             cwd=f"{ROOT}/web/{workspace}", quiet=True)
        if not os.path.exists(report):
            total.one(f"web/{workspace}: vitest", False, output[-4000:])
            continue
        summary = json.load(open(report))
        total.add(summary["numPassedTests"], summary["numFailedTests"], summary["numPendingTests"])
        print(f"{'ok  ' if status == 0 else 'FAIL'} web/{workspace} ({summary['numPassedTests']})", flush=True)
        if status != 0:
            total.failures.append(f"web/{workspace}")
            print(output[-4000:], flush=True)
        os.unlink(report)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def playwright(total, title, env, pattern):
    report = tempfile.mktemp(suffix=".json")
    command = ["npx", "playwright", "test", "--reporter=list,json", *pattern]
    status, _ = run(command, cwd=f"{ROOT}/tests/system", env={**env, "PLAYWRIGHT_JSON_OUTPUT_NAME": report})
    if not os.path.exists(report):
        total.one(f"{title}: playwright", False)
        return
    stats = json.load(open(report))["stats"]
    os.unlink(report)
    total.add(stats["expected"] + stats["flaky"], stats["unexpected"], stats["skipped"])
    if status != 0:
        total.failures.append(title)
        if stats["unexpected"] == 0:
            total.one(f"{title}: playwright ended with status {status}", False)


def cluster_session(total, io, pattern):
    """The browser tests against a cluster of sanitised daemons with one I/O backend."""
    data = tempfile.mkdtemp(prefix=f"conclave-{io}-")
    port = str(free_port())
    try:
        status, _ = run(["./dev", "run", "--detach", "--data", data, "--port", port, "--io", io, "--build", "build/test",
                         "--origins", "http://app.localhost"])
        total.one(f"cluster with {io} starts", status == 0)
        # What measures browsers rather than our sockets runs with one backend only.
        once = ["--grep-invert", "@once"] if pattern == MEDIA_SPECS else []
        if status == 0:
            playwright(total, f"system tests with {io}", {"CONCLAVE_URL": f"http://localhost:{port}", "CONCLAVE_DATA": data,
                                                          "CONCLAVE_IO": io, "CONCLAVE_BUILD": f"{ROOT}/build/test"}, [*pattern, *once])
    finally:
        run(["./dev", "stop", "--data", data])
    reports = []
    for name in sorted(os.listdir(f"{data}/log")) if os.path.isdir(f"{data}/log") else []:
        text = open(f"{data}/log/{name}", errors="replace").read()
        found = SANITIZER_REPORT.search(text)
        if found:
            reports.append(f"{name}:\n{text[max(0, found.start() - 200):found.start() + 4000]}")
    total.one(f"no sanitizer report from the daemons with {io}", not reports, "\n".join(reports))
    left = [line for line in subprocess.run(["ps", "axww", "-o", "pid=,args="], capture_output=True, text=True).stdout.splitlines()
            if f"{data}/" in line]
    total.one(f"no process is left with {io}", not left, "\n".join(left))
    if reports or left or total.failures:
        kept = f"{ROOT}/build/system-logs-{io}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(f"{data}/log", kept)
        print(f"logs are in build/system-logs-{io}", flush=True)
    shutil.rmtree(data, ignore_errors=True)


# Where it matters how media is sent and received; all others run with io_uring only.
MEDIA_SPECS = [f"specs/{name}.spec.ts" for name in ("call", "data", "firefox", "loadtest", "node", "relay", "transport", "turn")]


def system(total, pattern):
    if not build(total, "build/test", "-Db_sanitize=address,undefined", "-Dwerror=true", "--buildtype=debugoptimized"):
        return
    npm_ready("tests/system")
    status, output = run(["npm", "run", "--silent", "typecheck"], cwd=f"{ROOT}/tests/system", quiet=True)
    total.one("system tests: types", status == 0, output[-3000:])
    for io in ("uring", "epoll"):
        cluster_session(total, io, pattern or (["specs"] if io == "uring" else MEDIA_SPECS))
    if not pattern:
        playwright(total, "life cycle of ./dev run", {"CONCLAVE_BUILD": f"{ROOT}/build/test"}, ["lifecycle"])


def main():
    os.chdir(ROOT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    what = sys.argv[1] if len(sys.argv) > 1 else "all"
    started = time.monotonic()
    total = Total()
    if what in ("all", "unit"):
        unit(total)
    if what in ("all", "system"):
        system(total, sys.argv[2:])
    for failure in total.failures:
        print(f"failed: {failure}")
    print(f"took {time.monotonic() - started:.0f} s")
    print(f"tests: {total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    sys.exit(1 if total.failed or total.failures or total.passed == 0 else 0)


if __name__ == "__main__":
    main()
