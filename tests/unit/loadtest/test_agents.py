#!/usr/bin/env python3
"""Several machines, on this one: agents and their coordinator, without servers to test.

The target accepts connections and says nothing, so that bots wait until their time is up.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

BOT = sys.argv.pop(1)
KEY = "a-key-that-is-for-tests-only"
SCENARIO = """
name: waiting
joins: 50/s
join-timeout: {timeout}
settle: 1s
duration: 1s
{more}
groups:
  people:
    bots: 6
"""


class Agent:
    def __init__(self, directory, *options):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.name = f"127.0.0.1:{s.getsockname()[1]}"
        self.log = tempfile.TemporaryFile(dir=directory)
        self.process = subprocess.Popen([BOT, "agent", "--listen", self.name, "--key", f"{directory}/key", *options],
                                        stderr=self.log)
        for _ in range(200):
            with contextlib.suppress(OSError):
                socket.create_connection(self.name.split(":")).close()
                return
            time.sleep(0.05)
        raise AssertionError("the agent does not start")

    def ask(self, method, path, body=None, key=KEY):
        request = urllib.request.Request(f"http://{self.name}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as e:
            return e.code, json.load(e)

    def wait_for_end(self, run):
        for _ in range(300):
            _, answer = self.ask("GET", f"/v1/runs/{run}")
            if answer["state"] != "running":
                return answer
            time.sleep(0.1)
        raise AssertionError("the run does not end")

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(20)
        finally:
            self.log.close()


class OddClock(http.server.ThreadingHTTPServer):
    """Says it is an agent, whose clock is off by so many seconds, and so many seconds away."""

    def __init__(self, offset, away):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                now = int((time.time() + offset) * 1e6)
                time.sleep(away)
                body = json.dumps({"received_us": now, "sent_us": now}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.daemon_threads = True
        self.name = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Agents(unittest.TestCase):
    def setUp(self):
        self.directory = self.enterContext(tempfile.TemporaryDirectory())
        descriptor = os.open(f"{self.directory}/key", os.O_CREAT | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as f:
            f.write(KEY + "\n")
        self.target = self.enterContext(socket.create_server(("127.0.0.1", 0), backlog=100))
        self.url = f"http://127.0.0.1:{self.target.getsockname()[1]}"

    def agent(self, *options):
        agent = Agent(self.directory, *options)
        self.addCleanup(agent.stop)
        return agent

    def job(self, **changes):
        now = int(time.time() * 1e6)
        job = dict(version=self.version(), scenario=SCENARIO.format(timeout="20s", more=""), sets=[], scale=0, bots=6,
                   url=self.url, driver="conclave", token=None, ca=None, insecure=False, threads=1, seed="7",
                   run_id="aaaa", bot_first=0, bot_count=3, start_at=now, plateau_at=now + 30_000_000,
                   clock_offset_us=0)
        return dict(job, **changes)

    def version(self):
        return subprocess.run([BOT, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]

    def start_run(self, agents, *options, any_clock=True, timeout="20s", more="", key=None):
        with open(f"{self.directory}/scenario.yaml", "w") as f:
            f.write(SCENARIO.format(timeout=timeout, more=more))
        options += ("--any-clock",) * any_clock
        return subprocess.Popen([BOT, "run", f"{self.directory}/scenario.yaml", "--url", self.url, "--quiet",
                                 "--agents", ",".join(agents), "--agent-key", key or f"{self.directory}/key",
                                 *options],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_on(self, agents, *options, **more):
        process = self.start_run(agents, *options, **more)
        _, errors = process.communicate(timeout=60)
        return process.returncode, errors

    def test_nothing_is_told_to_who_does_not_know_the_key(self):
        agent = self.agent()
        for method, path in [("GET", "/v1/time"), ("POST", "/v1/runs"), ("GET", "/v1/runs/x"), ("DELETE", "/v1/runs/x")]:
            for key in ["", KEY[:-1], KEY + "x", KEY.upper()]:
                status, answer = agent.ask(method, path, {} if method == "POST" else None, key)
                self.assertEqual((status, answer["error"]), (401, "bad-key"))

    def test_the_clock_is_told(self):
        before = time.time() * 1e6
        status, answer = self.agent().ask("GET", "/v1/time")
        self.assertEqual(status, 200)
        self.assertLessEqual(before, answer["received_us"])
        self.assertLessEqual(answer["received_us"], answer["sent_us"])
        self.assertLessEqual(answer["sent_us"], time.time() * 1e6)

    def test_jobs_that_may_not_be_are_refused(self):
        agent = self.agent("--allow-url", self.url, "--allow-url", "https://conference.example/a")
        for changes, expected in [
            ({"version": "0.0.0"}, (409, "other-version")),
            ({"bots": 7}, (409, "other-version")),
            ({"scenario": "groups: 3"}, (400, "bad-scenario")),
            ({"sets": ["groups.people.bots=none"]}, (400, "bad-scenario")),
            ({"sets": [3]}, (400, "bad-request")),
            ({"bot_first": 4}, (400, "bad-request")),
            ({"bot_count": 0}, (400, "bad-request")),
            ({"bot_first": -1}, (400, "bad-request")),
            ({"driver": "none"}, (400, "bad-request")),
            ({"url": "nowhere"}, (400, "bad-request")),
            ({"start_at": 9223372036854775807}, (400, "bad-request")),
            ({"clock_offset_us": -9223372036854775808}, (400, "bad-request")),
            ({"bot_count": 9223372036854775807, "bot_first": 2}, (400, "bad-request")),
            ({"url": self.url + "1"}, (403, "url-not-allowed")),
            ({"url": self.url + ".evil.example"}, (403, "url-not-allowed")),
            ({"url": "https://conference.example/ab"}, (403, "url-not-allowed")),
            ({"url": "https://conference.example/a@evil.example"}, (403, "url-not-allowed")),
            ({"scenario": SCENARIO.format(timeout="20s", more="") + "    record: /tmp/x\n"}, (403, "files-not-allowed")),
        ]:
            with self.subTest(changes):
                status, answer = agent.ask("POST", "/v1/runs", self.job(**changes))
                self.assertEqual((status, answer["error"]), expected, answer)
        with contextlib.suppress(OSError):  # the answer comes before the end of the body, and may be missed
            self.assertEqual(agent.ask("POST", "/v1/runs", "x" * (2 << 20))[0], 413)
        self.assertEqual(agent.ask("GET", "/v1/time")[0], 200)

    def test_one_run_at_a_time_which_can_be_ended(self):
        agent = self.agent()
        status, run = agent.ask("POST", "/v1/runs", self.job())
        self.assertEqual(status, 202)
        status, answer = agent.ask("POST", "/v1/runs", self.job())
        self.assertEqual((status, answer["error"]), (409, "busy"))
        self.assertEqual(agent.ask("GET", "/v1/runs/run_other")[0], 404)
        for _ in range(100):
            _, answer = agent.ask("GET", f"/v1/runs/{run['id']}")
            if answer["live"] is not None:
                break
            time.sleep(0.1)
        self.assertEqual(answer["live"]["bots_wanted"], 3)
        self.assertEqual(agent.ask("DELETE", f"/v1/runs/{run['id']}")[0], 202)
        answer = agent.wait_for_end(run["id"])
        self.assertEqual(answer["state"], "ended", answer.get("error"))
        self.assertEqual(answer["result"]["verdict"], "interrupted")
        self.assertEqual(answer["result"]["joins"]["wanted"], 3)
        self.assertEqual(agent.ask("POST", "/v1/runs", self.job())[0], 202)

    def test_commands_of_a_scenario_are_not_run_and_local_options_not_taken(self):
        agent = self.agent()
        marker = f"{self.directory}/marker"
        chaos = f"chaos:\n  mark:\n    at: 100ms\n    run: touch {marker}\n    undo-after: 200ms\n    undo: touch {marker}\n"
        now = int(time.time() * 1e6)
        job = self.job(scenario=SCENARIO.format(timeout="20s", more=chaos), plateau_at=now + 2_000_000, observer=True,
                       chaos=True, cluster="/nowhere", source="192.0.2.1", servers=[{"name": "x", "pid": 1}])
        status, run = agent.ask("POST", "/v1/runs", job)
        self.assertEqual(status, 202, run)
        result = agent.wait_for_end(run["id"])["result"]
        self.assertEqual(result["joins"]["wanted"], 3)
        self.assertEqual(result["servers"], [])
        self.assertEqual([(c["name"], c["exit_status"]) for c in result["chaos"]], [("mark", 0)])
        self.assertFalse(os.path.exists(marker))

    def test_a_run_of_two_is_one_result(self):
        agents = [self.agent().name, self.agent().name]
        status, errors = self.run_on(agents, "--json", f"{self.directory}/result.json", timeout="2s")
        self.assertEqual(status, 69, errors)  # nobody could join
        with open(f"{self.directory}/result.json") as f:
            result = json.load(f)
        self.assertEqual(result["tool"]["machines"], 2)
        self.assertEqual((result["joins"]["wanted"], result["joins"]["failed"]), (6, 6))
        self.assertEqual(sum(failure["count"] for failure in result["joins"]["failures"]), 6)
        self.assertEqual([(a["name"], a["bots"]) for a in result["environment"]["agents"]], [(a, 3) for a in agents])

    def test_another_key_is_said_to_be_another(self):
        agent = self.agent()
        with open(f"{self.directory}/other", "w") as f:
            f.write("some-other-key-for-tests\n")
        status, errors = self.run_on([agent.name], key=f"{self.directory}/other")
        self.assertEqual(status, 64)
        self.assertIn(f"agent {agent.name}: has another key", errors)

    def test_clocks_that_make_latency_untrue_are_refused(self):
        for offset, away, why in [(0.05, 0, "ms ahead of this one"), (-0.05, 0, "ms behind this one"),
                                  (0, 0.02, "can only be known to")]:
            with OddClock(offset, away) as odd:
                status, errors = self.run_on([odd.name], any_clock=False)
                self.assertEqual(status, 64)
                self.assertIn(f"agent {odd.name}: its clock ", errors)
                self.assertIn(why, errors)
                self.assertIn("--any-clock", errors)
                odd.shutdown()

    def test_an_agent_that_is_not_there_is_named(self):
        agent = self.agent()
        status, errors = self.run_on([agent.name, "127.0.0.1:1"])
        self.assertEqual(status, 69)
        self.assertIn("agent 127.0.0.1:1: ", errors)

    def test_an_agent_that_dies_ends_the_run_and_is_named(self):
        first, second = self.agent(), self.agent()
        run = self.start_run([first.name, second.name], "--set", "duration=60s")
        time.sleep(4)
        second.process.send_signal(signal.SIGKILL)
        began = time.monotonic()
        _, errors = run.communicate(timeout=30)
        self.assertEqual(run.returncode, 69)
        self.assertIn(f"agent {second.name} stopped answering", errors)
        self.assertLess(time.monotonic() - began, 25)
        for _ in range(200):  # the other one is free again
            status, _ = first.ask("POST", "/v1/runs", self.job())
            if status == 202:
                return
            time.sleep(0.1)
        self.fail("the other agent is still busy")

    def test_an_interrupted_run_ends_everywhere(self):
        agent = self.agent()
        run = self.start_run([agent.name], "--set", "duration=60s", "--json", f"{self.directory}/result.json")
        time.sleep(4)
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=30)
        self.assertEqual(run.returncode, 130, errors)
        with open(f"{self.directory}/result.json") as f:
            self.assertEqual(json.load(f)["verdict"], "interrupted")

    def test_an_agent_ends_its_run_with_itself(self):
        agent = Agent(self.directory)
        self.assertEqual(agent.ask("POST", "/v1/runs", self.job())[0], 202)
        time.sleep(1)
        self.assertEqual(agent.stop(), 0)

    def test_an_agent_ends_when_it_is_idle(self):
        agent = Agent(self.directory, "--idle-exit", "1")
        self.assertEqual(agent.ask("GET", "/v1/time")[0], 200)
        self.assertEqual(agent.process.wait(20), 0)
        agent.log.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
