"""auditd as it runs: killed in the middle of the stream it loses nothing and repeats nothing, and
`--verify` finds every kind of tampering.

    test_daemon.py <auditd> <authd>

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid

from accounts import login, registration
from daemons import WITHOUT_LEAK_CHECK, Cluster, wait_for

AUDITD, AUTHD = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])


def event(n):
    raw = uuid.uuid4().hex
    return {"id": f"01890a5d-{raw[:4]}-7{raw[4:7]}-8{raw[7:10]}-{raw[10:22]}",
            "time": "2026-01-02T03:04:05.678901Z", "type": "room.created", "service": "signald",
            "instance": "signald-1", "actor": {"kind": "user", "id": f"u_{n}", "name": "Ada"},
            "org": "default", "room": "standup", "meta": {"n": n}}


def emit(c, events):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(c.socket)
        for i in range(0, len(events), 500):
            c.pipeline(s, [("XADD", "cc:audit", "*", "e", e if isinstance(e, str) else json.dumps(e))
                           for e in events[i:i + 500]])


def segments(data):
    return sorted(name for name in os.listdir(data) if name.endswith(".ndjson"))


def lines(data):
    """Every whole line of the log, in order."""
    out = []
    for name in segments(data):
        with open(os.path.join(data, name)) as f:
            out += [json.loads(line) for line in f.read().split("\n")[:-1]]
    return out


def events_in(data):
    return [line["event"] for line in lines(data) if "event" in line]


def verify(data, *more):
    r = subprocess.run([AUDITD, "--verify", data, *more], capture_output=True, text=True)
    return r.returncode, r.stdout.strip()


def stream_info(c):
    group = c.redis_command("XINFO", "GROUPS", "cc:audit")[0]
    stream = c.redis_command("XINFO", "STREAM", "cc:audit")
    return dict(zip(group[::2], group[1::2])), dict(zip(stream[::2], stream[1::2]))


def backlog(c):
    """0 when nothing is undelivered or pending."""
    group, stream = stream_info(c)
    return group[b"pending"] + (group[b"last-delivered-id"] != stream[b"last-generated-id"])


def killed_in_the_stream(c, data):
    """kill -9 again and again while events arrive, some of them twice."""
    options = ["--data-dir", data, "--segment-bytes-max", "65536"]
    events = [event(n) for n in range(6000)]
    repeated = random.sample(events, 300)

    def feed():
        for i in range(0, len(events), 200):
            emit(c, events[i:i + 200])
            emit(c, repeated[i // 20:i // 20 + 10])
            time.sleep(0.05)
    feeder = threading.Thread(target=feed)
    feeder.start()
    while feeder.is_alive():
        d = c.daemon(AUDITD, *options)
        time.sleep(random.uniform(0.0, 0.3))
        d.kill()
    feeder.join()
    d = c.daemon(AUDITD, *options)
    wait_for("the backlog", lambda: backlog(c) == 0)
    d.terminate()
    stored = [e["id"] for e in events_in(data) if e["service"] == "signald"]
    assert len(stored) == len(set(stored)), "an event was stored twice"
    assert set(stored) == {e["id"] for e in events}, "an event was lost"
    assert len(segments(data)) > 5
    status, text = verify(data)
    assert status == 0 and text.startswith("intact: "), text


def torn_line(c, data):
    """A crash in the middle of a write: cut off, recorded, and the chain goes on."""
    before = len(events_in(data))
    with open(os.path.join(data, segments(data)[-1]), "a") as f:
        f.write('{"seq":99999,"prev":"abc')
    status, text = verify(data)
    assert status == 1 and "is cut off" in text, text
    d = c.daemon(AUDITD, "--data-dir", data)
    assert "segment.recovered" in d.read_log()
    recovered = events_in(data)[-1]
    assert recovered["type"] == "audit.recovered" and recovered["meta"]["bytes_cut"] == "24"
    assert len(events_in(data)) == before + 1
    second = subprocess.run([AUDITD, "--data-dir", data, "--listen", "127.0.0.1:0", "--admin-listen",
                             "127.0.0.1:0", "--redis-url", "unix://" + c.socket], capture_output=True,
                            text=True, timeout=10, env=WITHOUT_LEAK_CHECK)
    assert second.returncode == 69 and "another auditd" in second.stderr, second.stderr
    status, text = verify(data)
    assert status == 0, text
    d.terminate()


def rejected(c, data):
    """What is no event leaves a trace."""
    d = c.daemon(AUDITD, "--data-dir", data)
    emit(c, ["no JSON at all", event(1)])
    wait_for("the backlog", lambda: backlog(c) == 0)
    last = events_in(data)[-2:]
    assert last[0]["type"] == "audit.rejected" and last[1]["type"] == "room.created", last
    assert last[0]["meta"]["sha256"] == hashlib.sha256(b"no JSON at all").hexdigest()
    d.terminate()


def gaps(data):
    return [e["meta"] for e in events_in(data) if e["type"] == "audit.gap"]


def trimmed(c, data):
    """What the stream lost before anybody read it is counted and recorded, once."""
    d = c.daemon(AUDITD, "--data-dir", data)
    assert d.metric("auditd_records_total") == len(events_in(data))
    d.terminate()
    c.redis_command("XTRIM", "cc:audit", "MAXLEN", "0")  # all of it was delivered
    emit(c, [event(n) for n in range(50)])
    last = stream_info(c)[0][b"last-delivered-id"].decode()
    c.redis_command("XTRIM", "cc:audit", "MAXLEN", "20")
    first = c.redis_command("XRANGE", "cc:audit", "-", "+", "COUNT", "1")[0][0].decode()
    assert gaps(data) == []
    d = c.daemon(AUDITD, "--data-dir", data)
    wait_for("the backlog", lambda: backlog(c) == 0)
    assert gaps(data) == [{"lost": "30", "after": last, "before": first}], gaps(data)
    assert d.metric("auditd_events_lost_total") == 30
    assert "evt=events.lost count=30" in d.read_log()
    emit(c, [event(n) for n in range(5)])
    wait_for("the backlog", lambda: backlog(c) == 0)
    assert d.metric("auditd_records_total") == len(events_in(data))
    assert [e["meta"]["n"] for e in events_in(data)[-25:]] == [*range(30, 50), *range(5)]
    d.terminate()
    c.redis_command("XTRIM", "cc:audit", "MAXLEN", "3")
    d = c.daemon(AUDITD, "--data-dir", data)
    wait_for("the lag", lambda: d.metric("auditd_stream_undelivered") == 0)
    assert len(gaps(data)) == 1 and d.metric("auditd_events_lost_total") == 0
    d.terminate()
    emit(c, [event(n) for n in range(4)])
    c.redis_command("XTRIM", "cc:audit", "MAXLEN", "0")  # nothing is left that could be read
    d = c.daemon(AUDITD, "--data-dir", data)
    wait_for("the gap", lambda: len(gaps(data)) == 2)
    assert gaps(data)[1]["lost"] == "4" and gaps(data)[1]["before"] == "-", gaps(data)
    d.terminate()
    emit(c, [event(n) for n in range(2)])
    c.redis_command("XREADGROUP", "GROUP", "auditd", lines(data)[0]["chain"], "STREAMS", "cc:audit", ">")
    c.redis_command("XTRIM", "cc:audit", "MAXLEN", "0")  # delivered, but never stored
    d = c.daemon(AUDITD, "--data-dir", data)
    wait_for("the backlog", lambda: backlog(c) == 0)
    assert [e["meta"]["why"] for e in events_in(data)[-2:]] == ["trimmed"] * 2
    assert len(gaps(data)) == 2 and d.metric("auditd_events_lost_total") == 2
    d.terminate()


def old_log(data, days):
    """A log of one record whose segment was begun so many days ago, and written to just now."""
    os.mkdir(data)
    created = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() - days * 86400))
    chain, zero = "c_abcdefghij234567", bytes(32)
    h = hashlib.sha256(b"conclave-audit-segment" + zero + (1).to_bytes(8, "big") * 2 +
                       chain.encode() + created.encode()).digest()
    text = json.dumps(event(1), sort_keys=True, separators=(",", ":"))
    r = hashlib.sha256(h + (1).to_bytes(8, "big") + text.encode()).hexdigest()
    with open(os.path.join(data, "000000000001.ndjson"), "w") as f:
        f.write(f'{{"chain":"{chain}","segment":1,"first":1,"created":"{created}",'
                f'"prev":"{zero.hex()}","hash":"{h.hex()}"}}\n'
                f'{{"seq":1,"prev":"{h.hex()}","hash":"{r}","event":{text}}}\n')


def age_survives_restarts(c, where):
    """A segment is as old as its header says, however often auditd is restarted."""
    for days, count in ((0.9, 1), (1.1, 2)):
        data = os.path.join(where, f"old-{count}")
        old_log(data, days)
        assert verify(data)[0] == 0
        d = c.daemon(AUDITD, "--data-dir", data, "--segment-age-max", "24h")
        late = event(2)
        emit(c, [late])
        wait_for("the event", lambda: events_in(data)[-1]["id"] == late["id"])
        d.terminate()
        assert len(segments(data)) == count, segments(data)
        assert verify(data)[0] == 0


def status_api(c, data):
    authd = c.daemon(AUTHD, "--data-dir", os.path.join(c.dir, "authd"), "--admins", "ada")
    d = c.daemon(AUDITD, "--data-dir", data, "--jwks-url",
                 f"http://127.0.0.1:{authd.port}/.well-known/jwks.json")
    assert d.ask("GET", "/v1/audit/status")[0] == 401
    _, guest, _ = authd.ask("POST", "/v1/guests", {"name": "Grace"})
    status, answer, _ = d.ask("GET", "/v1/audit/status",
                              headers={"Authorization": "Bearer " + guest["access_token"]})
    assert (status, answer["error"]) == (403, "forbidden"), answer
    P = secrets.token_bytes(32)
    assert authd.ask("POST", "/v1/register", registration("ada", P))[0] == 201
    ada = login(authd, "ada", P)[1]
    wait_for("ada's login", lambda: events_in(data)[-1]["type"] == "session.login")
    status, answer, _ = d.ask("GET", "/v1/audit/status",
                              headers={"Authorization": "Bearer " + ada["access_token"]})
    last = lines(data)[-1]
    assert status == 200 and (answer["seq"], answer["head"]) == (last["seq"], last["hash"]), answer
    assert answer["verified"]["to"] == last["seq"], answer
    d.terminate()
    authd.terminate()


def outage(c, data):
    d = c.daemon(AUDITD, "--data-dir", data)
    c.stop_redis()
    wait_for("the outage", lambda: d.probe("/readyz") == 503)
    assert d.probe("/healthz") == 200
    c.redis()
    d.wait_ready()
    late = event(7)
    emit(c, [late])
    wait_for("the event", lambda: events_in(data)[-1]["id"] == late["id"])
    d.terminate()


def tampered(data, where):
    """One copy of the log for each thing that can be done to it."""
    def edit(name, change):
        path = os.path.join(copy, name)
        with open(path) as f:
            text = f.read().split("\n")[:-1]
        change(text)
        with open(path, "w") as f:
            f.write("\n".join(text) + "\n")

    def swap(text):
        text[3], text[4] = text[4], text[3]

    def change_contents(text):
        text[5] = text[5].replace('"Ada"', '"Eve"')

    def exchange_files(a, b):
        os.rename(os.path.join(copy, a), os.path.join(copy, "x"))
        os.rename(os.path.join(copy, b), os.path.join(copy, a))
        os.rename(os.path.join(copy, "x"), os.path.join(copy, b))

    names = segments(data)
    head = verify(data)[1].split()[-1]
    known = lines(data)[-1]["hash"]
    assert head == known
    cases = {
        "an edit": (lambda: edit(names[1], change_contents), "segment 2 line 6"),
        "a deletion": (lambda: edit(names[1], lambda t: t.pop(3)), "segment 2 line 4"),
        "an insertion": (lambda: edit(names[1], lambda t: t.insert(3, t[3])), "segment 2 line 5"),
        "a reordering": (lambda: edit(names[1], swap), "segment 2 line 4"),
        "a cut in the middle": (lambda: edit(names[1], lambda t: t.__delitem__(slice(5, None))),
                                "segment 3 line 1"),
        "a changed header": (lambda: edit(names[2], lambda t: t.__setitem__(
            0, t[0].replace('"created":"2', '"created":"1'))), "segment 3 line 1"),
        "exchanged segments": (lambda: exchange_files(names[1], names[2]), "segment 2 line 1"),
        "a missing segment": (lambda: os.unlink(os.path.join(copy, names[2])), "segment 3 line 0"),
        "a missing first segment": (lambda: os.unlink(os.path.join(copy, names[0])),
                                    "segment 1 line 0"),
    }
    for what, (do, place) in cases.items():
        copy = os.path.join(where, what.replace(" ", "-"))
        shutil.copytree(data, copy)
        do()
        status, text = verify(copy)
        assert status == 1 and text.startswith(f"broken: {place}: "), f"{what}: {text}"

    assert verify(data, "--expect-head", head)[0] == 0
    earlier = lines(data)[-3]["hash"]
    assert verify(data, "--expect-head", earlier)[0] == 0, "the log has grown since"
    copy = os.path.join(where, "cut-end")
    shutil.copytree(data, copy)
    edit(names[-1], lambda t: t.pop())
    assert verify(copy)[0] == 0
    status, text = verify(copy, "--expect-head", head)
    assert status == 1 and "its end was cut off" in text, text


def main():
    with Cluster() as c:
        data = os.path.join(c.dir, "deep", "audit")  # made by auditd, both
        c.redis()
        killed_in_the_stream(c, data)
        torn_line(c, data)
        rejected(c, data)
        trimmed(c, data)
        age_survives_restarts(c, c.dir)
        status_api(c, data)
        outage(c, data)
        tampered(data, c.dir)
        print("auditd:", verify(data)[1])


main()
