"""The command line of ./dev, as far as it goes without a cluster.

SPDX-License-Identifier: Apache-2.0"""
import os
import subprocess
import sys
import tempfile


def dev(*args):
    return subprocess.run([sys.argv[1], *args], capture_output=True, text=True, stdin=subprocess.DEVNULL)


def without_a_cluster_every_word_about_services_says_so():
    with tempfile.TemporaryDirectory() as where:
        for data in (f"{where}/nothing", where):
            for words in (["stop"], ["stop", "sfud-1"], ["stop", "--kill", "sfud-1"], ["start", "sfud-1"],
                          ["pause", "sfud-1"], ["unpause", "sfud-1"], ["status"]):
                p = dev(*words, "--data", data)
                assert p.returncode == 1, (words, p)
                assert f"no cluster with data in {data}\n" in p.stderr + p.stdout, (words, p)


def a_service_that_is_not_there_is_named():
    with tempfile.TemporaryDirectory() as data:
        os.mkdir(f"{data}/run")
        for name in ("authd-1", "redis"):
            with open(f"{data}/run/{name}.sh", "w"):
                pass
        for words in (["stop"], ["stop", "--kill"], ["start"], ["pause"], ["unpause"]):
            p = dev(*words, "sfud-9", "--data", data)
            assert p.returncode == 1 and "no service named sfud-9; there are: authd-1 redis" in p.stderr, (words, p)
        p = dev("pause", "redis", "--data", data)
        assert p.returncode == 1 and "redis is not running" in p.stderr, p
        assert dev("stop", "--data", data).returncode == 0  # they have ended already


def what_is_no_origin_is_refused_at_once():
    for good, bad in (("", "notanorigin"), ("http://a.example,", "https://b.example/"), ("*,", "https://c.example:443"),
                      ("http://[::1]:8080,", "ftp://d.example"), ("http://localhost:5173,", "https://E.example")):
        p = dev("run", "--origins", good + bad)
        assert p.returncode == 64 and f"'{bad}' is not like https://host[:port]" in p.stderr, p


for test in (without_a_cluster_every_word_about_services_says_so, a_service_that_is_not_there_is_named,
             what_is_no_origin_is_refused_at_once):
    test()
