"""The command line of ./dev load, as far as it goes without a cluster.

SPDX-License-Identifier: Apache-2.0"""
import subprocess
import sys


def refused(*args):
    p = subprocess.run([sys.argv[1], "load", *args], capture_output=True, text=True)
    assert p.returncode == 64, (args, p)
    return p.stderr


def an_option_before_the_scenario_is_not_the_scenario():
    assert "no such scenario: loadtest/scenarios/nosuch.yaml" in refused("--set", "groups.people.bots=3", "nosuch")
    assert "no such scenario: loadtest/scenarios/nosuch.yaml" in refused("--quiet", "--seed=7", "--json", "-", "nosuch")


def what_is_missing_or_too_much_is_named():
    assert "--set wants a value" in refused("meeting", "--set")
    assert "one scenario, not meeting and duration=5s" in refused("meeting", "duration=5s")


for test in an_option_before_the_scenario_is_not_the_scenario, what_is_missing_or_too_much_is_named:
    test()
