#!/usr/bin/env python3
"""Keeps the reference parts of docs/operations.md and docs/loadtest.md as the programs are:
`tools/docs.py [--check] BUILD`. Options come from each daemon's --help in the build directory, log events and metrics from the
sources. Rewrites what stands between `<!-- generated: NAME -->` and `<!-- end -->`; with --check it
changes nothing and fails when something is stale. SPDX-License-Identifier: Apache-2.0
"""
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DAEMONS = ("signald", "sfud", "authd", "auditd")
HELP_COLUMN = 30  # of lib/common/os/config_print.c
# Parts of lib/common/os that not every daemon uses, and the call that shows who does.
LIBRARY_USERS = {"audit_emitter.c": "audit_emitter_new(", "jwks.c": "jwks_new(", "keyfile.c": "keyfile_"}
METRIC_USERS = {**LIBRARY_USERS, "http_server.c": "http_server_start("}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def code(value):
    return "`" + value.replace("|", "\\|") + "`" if value else ""


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


# ---- options

def options_of(build, daemon):
    """[{key, value, help, default, env, group}] as --help prints them."""
    binary = f"{build}/services/{daemon}/{daemon}"
    if not os.access(binary, os.X_OK):
        sys.exit(f"tools/docs.py: {binary} is not built")
    text = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    found, group, option = [], None, None
    for line in text.split("\n"):
        if re.fullmatch(r"[A-Z][\w ]*:", line):
            group, option = line[:-1], None
        elif line.startswith("  --") and group is not None:
            # A head that reaches the column stands alone: what follows it is on the next line.
            is_alone = len(line) < HELP_COLUMN or line[HELP_COLUMN - 1] != " "
            head = line if is_alone else line[:HELP_COLUMN]
            key, value = re.match(r"  --([\w-]+)(.*)", head).groups()
            option = {"key": key, "value": value.strip(" []="), "group": group,
                      "help": "" if is_alone else line[HELP_COLUMN:].strip(), "default": ""}
            found.append(option)
        elif option is not None and line.startswith(" " * HELP_COLUMN):
            end = re.fullmatch(r"(?:default (.*), )?env (\w+)", line.strip())
            if end:
                option["default"], option["env"] = end[1] or "", end[2]
            else:
                option["help"] = (option["help"] + " " + line.strip()).strip()
    return found


def same_or_each(options, field):
    """One value if all daemons agree, else each with its daemon."""
    values = {daemon: option[field] for daemon, option in options.items()}
    if len(set(values.values())) == 1:
        return code(next(iter(values.values())))
    return "<br>".join(f"{daemon} {code(value)}" for daemon, value in values.items())


def configuration(build):
    options = {daemon: options_of(build, daemon) for daemon in DAEMONS}
    head = ("key", "value", "default", "what")
    parts = []
    for daemon in DAEMONS:
        rows = [(code(o["key"]), code(o["value"]), code(o["default"]), o["help"])
                for o in options[daemon] if o["group"] != "Common"]
        parts.append(f"**{daemon}**\n\n" + table(head, rows))
    rows = []
    for first in options[DAEMONS[0]]:
        if first["group"] != "Common":
            continue
        each = {d: o for d in DAEMONS for o in options[d] if o["key"] == first["key"]}
        rows.append((code(first["key"]), code(first["value"]), same_or_each(each, "default"), first["help"]))
    parts.append("**All four**\n\n" + table(head, rows))
    return "\n\n".join(parts)


# ---- sources

def sources():
    """(path from the root, text) of every C file that may log or count."""
    for pattern in ("services/**/*.[ch]", "lib/common/os/*.c"):
        for path in sorted(glob.glob(f"{ROOT}/{pattern}", recursive=True)):
            yield os.path.relpath(path, ROOT), read(path)


def users(path, library):
    """The daemons in which this file is at work."""
    if path.startswith("services/"):
        return [path.split("/")[1]]
    call = library.get(os.path.basename(path))
    if call is None:
        return list(DAEMONS)
    return [d for d in DAEMONS if any(call in read(f) for f in glob.glob(f"{ROOT}/services/{d}/**/*.c", recursive=True))]


def names(daemons):
    return "all" if set(daemons) == set(DAEMONS) else ", ".join(d for d in DAEMONS if d in daemons)


def arguments(text, start):
    """The arguments of the call whose parenthesis opens at start."""
    depth, at, begin, in_string, found = 0, start, start + 1, False, []
    while at < len(text):
        c = text[at]
        if in_string:
            at += c == "\\"
            in_string = c != '"'
        elif c == '"':
            in_string = True
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
            if depth == 0:
                return found + [text[begin:at].strip()]
        elif c == "," and depth == 1:
            found.append(text[begin:at].strip())
            begin = at + 1
        at += 1
    return found


def calls(text, pattern):
    """(match, arguments) of every call of a function whose name matches; declarations are left out."""
    for match in re.finditer(rf"\b(?:{pattern})(?=\()", text):
        found = arguments(text, match.end())
        if len(found) > 1 or (found and '"' in found[0]):
            yield match, found


def literals(argument):
    """Adjacent string literals are one; those of a conditional are several."""
    return ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', run))
            for run in re.findall(r'(?:"(?:[^"\\]|\\.)*"\s*)+', argument)]


def log_events():
    found = {}  # (event, level) -> (daemons, files)
    for path, text in sources():
        for match, args in calls(text, r"log_(?:info|warn|error|debug|at)|hub_log"):
            at = {"hub_log": 1, "log_at": 0}.get(match[0], -1)  # where the level is, if it is an argument
            level = " or ".join(re.findall(r"LOG_LEVEL_(\w+)", args[at])).lower() if at >= 0 else match[0][4:]
            for event in literals(args[at + 1]):
                daemons, files = found.setdefault((event, level), (set(), []))
                daemons.update(users(path, LIBRARY_USERS))
                if path not in files:
                    files.append(path)
    rows = [(code(event), level, names(daemons), ", ".join(code(f) for f in files))
            for (event, level), (daemons, files) in sorted(found.items())]
    return table(("event", "level", "daemon", "file"), rows)


def format_before(text, end):
    """The format of the snprintf() that made the name used at `end`, and the texts that it runs over."""
    formats = re.findall(r'snprintf\(name, [^,]*, "([^"]*)"', text[:end])
    lists = re.findall(r"\bnames\[\] = \{([^}]*)\}", text[:end])
    return formats[-1], literals(lists[-1].replace(",", ";")) if lists else []


def metric_names(text, end, argument):
    if argument.startswith('"'):
        return literals(argument)[:1]
    name, parts = format_before(text, end)
    if name.startswith("%s_"):
        return [name.replace("%s", "<daemon>")]
    return [name.replace("%s", part) for part in parts]


def metrics():
    found = {}  # name -> [type, help, daemons]

    def add(name, kind, text, daemons):
        row = found.setdefault(name, [kind, text, set()])
        row[1] = row[1] or text
        row[2].update(daemons)

    for path, text in sources():
        if path.endswith(".h") or path == "lib/common/os/metrics.c":
            continue
        for match, args in calls(text, r"metrics_(?:counters?|gauge|histogram)"):
            for name in metric_names(text, match.start(), args[1]):
                add(name, match[0][8:].removesuffix("s"), literals(args[2])[0], users(path, METRIC_USERS))
        for match, args in calls(text, "metrics_text_family"):
            if "->" in args[1]:
                continue  # the table below
            helps = literals(args[3])
            for i, name in enumerate(metric_names(text, match.start(), args[1])):
                add(name, literals(args[2])[0], helps[min(i, len(helps) - 1)], users(path, METRIC_USERS))
    for name, gauge, text in re.findall(r'X\(\w+, "(\w+)", [^,]*, (true|false),[\s\\]*"([^"]*)"\)',
                                        read(f"{ROOT}/services/sfud/core/stats.h") + read(f"{ROOT}/services/sfud/core/associations_stats.h")):
        add(name, "gauge" if gauge == "true" else "counter", text, ["sfud"])
    for name, text in re.findall(r'X\(\w+, "(\w+)", (?:NULL|"(?:[^"\\]|\\.)*"), \d+, \w+,[\s\\]*"([^"]*)"\)',
                                 read(f"{ROOT}/services/sfud/core/stats.h")):
        add(name, "histogram", text, ["sfud"])
    for match, args in calls(read(f"{ROOT}/lib/common/os/metrics.c"), "metrics_text_family"):
        if args[1].startswith('"'):
            add(literals(args[1])[0], literals(args[2])[0], literals(args[3])[0], DAEMONS)
    if unfinished := [name for name, (_, text, _) in sorted(found.items()) if not text.endswith(".")]:
        sys.exit(f"HELP of a metric ends with a full stop: {', '.join(unfinished)}")
    rows = [(code(name), kind, names(daemons), text) for name, (kind, text, daemons) in sorted(found.items())]
    return table(("metric", "type", "daemon", "what"), rows)


# ---- the load tester

def said_by_bot(build, *words):
    binary = f"{build}/loadtest/conclave-bot"
    if not os.access(binary, os.X_OK):
        sys.exit(f"tools/docs.py: {binary} is not built")
    text = subprocess.run([binary, *words], capture_output=True, text=True, check=True, timeout=60).stdout
    return "```text\n" + text.rstrip() + "\n```"


def refresh(page, sections, is_check, build):
    """Puts fresh text into the marked sections of a page. Returns whether the page is as it should be."""
    path = f"{ROOT}/{page}"
    text, stale = read(path), []
    for name, fresh in sections:
        mark = f"<!-- generated: {name} -->"
        parts = re.fullmatch(rf"(.*{re.escape(mark)}\n).*?(<!-- end -->.*)", text, re.S)
        if parts is None:
            sys.exit(f"{page}: no section {mark} … <!-- end -->")
        new = f"{parts[1]}\n{fresh}\n\n{parts[2]}"
        if new != text:
            stale.append(name)
        text = new
    if is_check and stale:
        print(f"{page}: stale: {', '.join(stale)}; run tools/docs.py {build}", file=sys.stderr)
        return False
    if stale:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    print(f"{page}: {'rewritten: ' + ', '.join(stale) if stale else 'up to date'}")
    return True


def main():
    is_check = "--check" in sys.argv[1:]
    build = [a for a in sys.argv[1:] if not a.startswith("-")]
    if len(build) != 1:
        sys.exit("usage: tools/docs.py [--check] BUILD")
    pages = {
        "docs/operations.md": (("configuration", configuration(build[0])), ("log events", log_events()),
                               ("metrics", metrics())),
        "docs/loadtest.md": (("options of run", said_by_bot(build[0], "run", "--help")),
                             ("objectives", said_by_bot(build[0], "slo-metrics"))),
    }
    if not all([refresh(page, sections, is_check, build[0]) for page, sections in pages.items()]):
        sys.exit(1)


if __name__ == "__main__":
    main()
