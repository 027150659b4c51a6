# SPDX-License-Identifier: Apache-2.0
"""What conclave-bot refuses at once, and how it writes files. Arguments: conclave-bot, a scenario,
the directory of the fixtures (results)."""
import json
import os
import pathlib
import pty
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

BOT, SCENARIO, FIXTURES = sys.argv[1:4]
RESULT = str(pathlib.Path(FIXTURES) / "chaos.json")


def bot(*args, **options):
    return subprocess.run([BOT, *args], stderr=subprocess.PIPE, text=True, timeout=30, **options)


class Refusals(unittest.TestCase):
    def refused(self, says, *args):
        done = bot("run", SCENARIO, "--quiet", *args)
        self.assertEqual(done.returncode, 64, (args, done.stderr))
        self.assertIn(says, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_urls_that_name_no_server_are_refused(self):
        for url, says in (("ftp://x", "it must begin with http://"),
                          ("localhost:8080", "it must begin with http://"),
                          ("http://localhost:99999", "a port is a number from 1 to 65535"),
                          ("ws://localhost:0", "a port is a number from 1 to 65535"),
                          ("http://", "it names no host"),
                          ("wss://:443/", "it names no host")):
            self.refused(f"--url {url}: {says}", "--url", url)
            done = bot("client", "--room", "r", "--url", url)
            self.assertEqual(done.returncode, 64)
            self.assertIn(says, done.stderr)

    def test_a_search_begins_at_one_bot_or_more(self):
        for text in ("0:5", ":5", "5:4", "0", "1:x", "-1:5"):
            self.refused("--search wants", f"--search={text}", "--slo", "loss<1%")

    def test_numbers_are_digits_and_nothing_else(self):
        bad = ("-1", "+1", " 1", "1x", "0x1", "1.5", "1e3", "", "18446744073709551616", "99999999999999999999999")
        for text in bad:
            self.refused("--seed wants a number from 0 to 2^64-1", f"--seed={text}")
            self.refused("--threads wants 0 to 64", f"--threads={text}")
            self.refused("--search wants", f"--search={text}", "--slo", "loss<1%")
            for word, option, *more in (("relay", "--seed"), ("agent", "--idle-exit", "--key", "/dev/null"),
                                        ("client", "--view", "--room", "r")):
                done = bot(word, f"{option}={text}", *more, stdin=subprocess.DEVNULL)
                self.assertEqual(done.returncode, 64, (word, text, done.stderr))
                self.assertIn(option, done.stderr)

    def test_ports_of_agents_are_numbers(self):
        for port in ("-1", "5x", "70000", "0"):
            self.refused("--agents http://a:", "--agents", f"b,a:{port}", "--agent-key", SCENARIO)

    def test_shares_above_100_percent_are_refused(self):
        self.refused("never above 100 %", "--slo", "joined<200%")

    def test_servers_that_cannot_be_are_refused(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        self.refused("no process of this machine has that pid", "--server", f"foo={gone.pid}")
        self.refused("it must begin with http://", "--server", "foo=httpx://a")
        self.refused("NAME=URL or NAME=PID", "--server", "foo=bar")

    def test_a_directory_is_no_place_for_a_result(self):
        self.refused("Is a directory", "--json", tempfile.gettempdir())


class Relay(unittest.TestCase):
    """conclave-bot relay: its commands, from whatever stdin is."""

    def lines(self, stdin, *args):
        """What it says until it has nothing more to say: it is ended by SIGTERM."""
        with subprocess.Popen([BOT, "relay", *args], stdin=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as p:
            said = [json.loads(p.stdout.readline())]
            self.assertEqual(said[0]["event"], "listening")
            p.send_signal(signal.SIGTERM)
            said += [json.loads(line) for line in p.stdout]
            self.assertEqual(p.wait(10), 0)
        self.assertEqual(said[-1]["event"], "end")
        return [line["event"] for line in said[1:-1]]

    def test_commands_may_be_in_a_file(self):
        with tempfile.TemporaryFile("w+") as f:
            f.write('{"up":{"loss":0.5}}\n{"up":{"loss":2}}\n{"counters":true}')
            f.seek(0)
            self.assertEqual(self.lines(f), ["set", "error", "counters"])

    def test_dev_null_has_no_commands_and_no_end(self):
        self.assertEqual(self.lines(subprocess.DEVNULL), [])

    def test_commands_may_be_typed(self):
        ours, theirs = pty.openpty()
        with subprocess.Popen([BOT, "relay"], stdin=theirs, stdout=subprocess.PIPE, text=True) as p:
            self.assertIn("listening", p.stdout.readline())
            os.write(ours, b'{"up":{}}\n')
            self.assertIn("set", p.stdout.readline())
            os.write(ours, b"\x04")  # the end of a terminal
            self.assertIn("end", p.stdout.readline())
            self.assertEqual(p.wait(10), 0)
        os.close(ours)
        os.close(theirs)

    def test_what_gives_no_commands_is_refused(self):
        directory = os.open("/", os.O_RDONLY)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            for stdin in directory, tcp:
                done = bot("relay", stdin=stdin)
                self.assertEqual(done.returncode, 64)
                self.assertIn("stdin is no pipe, terminal or file", done.stderr)
        os.close(directory)
        done = subprocess.run(["sh", "-c", '"$1" relay <&-', "sh", BOT], stderr=subprocess.PIPE, text=True, timeout=30)
        self.assertEqual(done.returncode, 64)
        self.assertIn("stdin is no pipe", done.stderr)

    def test_a_capture_that_cannot_be_written_is_named(self):
        done = bot("relay", "--pcap", "/nowhere/a.pcap", stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 64)
        self.assertIn("--pcap /nowhere/a.pcap: No such file or directory", done.stderr)
        self.assertIn("--pcap /: Is a directory", bot("relay", "--pcap", "/", stdin=subprocess.DEVNULL).stderr)

    def test_an_address_that_is_not_ours_is_named(self):
        done = bot("relay", "--listen", "192.0.2.1:5000", stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 64)
        self.assertIn("--listen 192.0.2.1:5000: Cannot assign requested address", done.stderr)


class Files(unittest.TestCase):
    def test_a_full_stdout_is_noticed(self):
        for words in (("report", RESULT), ("compare", RESULT, RESULT), ("slo-metrics",)):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = bot(*words, stdout=full)
            self.assertNotEqual(done.returncode, 0, words)
            self.assertIn("No space left", done.stderr)

    def test_a_device_is_written_directly_and_its_errors_noticed(self):
        self.assertNotEqual(bot("report", RESULT, "--html", "/dev/full").returncode, 0)
        self.assertEqual(bot("report", RESULT, "--html", "/dev/null").returncode, 0)
        self.assertTrue(pathlib.Path("/dev/null").is_char_device())

    def test_a_file_is_replaced_as_a_whole_and_keeps_mode_and_link(self):
        with tempfile.TemporaryDirectory() as directory:
            page, link = pathlib.Path(directory) / "a.html", pathlib.Path(directory) / "link"
            page.write_text("old", encoding="ascii")
            page.chmod(0o640)
            link.symlink_to("a.html")
            before = page.stat().st_ino
            self.assertEqual(bot("report", RESULT, "--html", str(link)).returncode, 0)
            self.assertTrue(link.is_symlink())
            self.assertIn("</html>", page.read_text(encoding="utf-8"))
            self.assertEqual(page.stat().st_mode & 0o777, 0o640)
            self.assertNotEqual(page.stat().st_ino, before)
            self.assertEqual(len(list(pathlib.Path(directory).iterdir())), 2)

    def test_a_write_that_fails_leaves_the_file_as_it_was(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

        with tempfile.TemporaryDirectory() as directory:
            page = pathlib.Path(directory) / "a.html"
            page.write_text("old", encoding="ascii")
            done = bot("report", RESULT, "--html", str(page), preexec_fn=limit)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("File too large", done.stderr)
            self.assertEqual(page.read_text(encoding="ascii"), "old")
            self.assertEqual([p.name for p in pathlib.Path(directory).iterdir()], ["a.html"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
