#!/usr/bin/env python3
"""The schema of results says yes to the results we test the reports with, and no to broken ones.

usage: test_result_schema.py SCHEMA DIRECTORY. Skipped without python3-jsonschema. SPDX-License-Identifier: Apache-2.0
"""
import copy
import glob
import json
import sys

try:
    import jsonschema
except ImportError:
    sys.exit(77)

schema_path, directory = sys.argv[1:]
schema = json.load(open(schema_path, encoding="utf-8"))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)

names = sorted(glob.glob(f"{directory}/*.json"))
assert len(names) >= 8, names
for name in names:
    for error in validator.iter_errors(json.load(open(name, encoding="utf-8"))):
        sys.exit(f"{name}: {error.json_path}: {error.message}")



def short(value):
    """The same with at most two of everything: checked hundreds of times."""
    if isinstance(value, dict):
        return {key: short(inner) for key, inner in value.items()}
    return [short(inner) for inner in value[:2]] if isinstance(value, list) else value


good = short(json.load(open(f"{directory}/chaos.json", encoding="utf-8")))
assert validator.is_valid(good)


def paths(value, at=()):
    """Every key that is not inside a list or a map of names: none of them may be missing."""
    for key, inner in value.items():
        yield at + (key,)
        if isinstance(inner, dict) and key not in ("sysctl", "io_backends", "codecs", "servers"):
            yield from paths(inner, at + (key,))


optional = {("environment", "hostname_hash"), ("environment", "io_backends")}
wrongly_fine = []
for path in set(paths(good)) - optional:
    broken = copy.deepcopy(good)
    inner = broken
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    if validator.is_valid(broken):
        wrongly_fine.append(".".join(path))
assert not wrongly_fine, f"may be missing: {wrongly_fine}"

for change in ({"verdict": "great"}, {"schema": "conclave-loadtest/2"}, {"slo": {}}, {"started": "yesterday"}, {"chaos": None}):
    assert not validator.is_valid({**good, **change}), change
print(f"{len(names)} results are valid, {len(set(paths(good)))} keys are needed")
