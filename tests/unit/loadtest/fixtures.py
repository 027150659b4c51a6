#!/usr/bin/env python3
"""Results of imagined load tests, schema conclave-loadtest/1, for the tests of the reports.

The figures are invented but hang together: percentiles come from the buckets, shares from the counts.
The same seed gives the same files. usage: fixtures.py DIRECTORY. SPDX-License-Identifier: Apache-2.0
"""
import copy
import json
import math
import random
import sys

STEP_BITS, VALUE_BITS = 6, 36
STEPS = 1 << STEP_BITS
STAGES = ["token", "tcp", "tls", "websocket", "join", "ice", "dtls", "first_packet", "first_keyframe", "total"]


def upper_end(value):
    """The upper end of the bucket of a value (loadtest/core/histogram.c)."""
    if value < STEPS:
        return value
    shift = value.bit_length() - 1 - STEP_BITS
    return (((value >> shift) + 1) << shift) - 1


def histogram(values):
    values = sorted(max(0, int(v)) for v in values)
    buckets = {}
    for value in values:
        buckets[upper_end(value)] = buckets.get(upper_end(value), 0) + 1

    def percentile(p):
        wanted, seen = max(1, math.ceil(len(values) * p / 100)), 0
        for upper, count in sorted(buckets.items()):
            seen += count
            if seen >= wanted:
                return min(upper, values[-1])
        return 0

    return {"count": len(values), "min": values[0] if values else 0, "max": values[-1] if values else 0,
            "mean": sum(values) / len(values) if values else 0.0, "p50": percentile(50), "p90": percentile(90),
            "p99": percentile(99), "p99_9": percentile(99.9), "buckets": [list(b) for b in sorted(buckets.items())]}


def scaled(h, factor):
    """As if there had been `factor` times as many values: what a long run has, without making them all."""
    h["count"] *= factor
    h["buckets"] = [[upper, count * factor] for upper, count in h["buckets"]]
    return h


def spread(rng, n, median, sigma=0.35, tail=0.0, tail_factor=8):
    for _ in range(n):
        value = median * math.exp(rng.gauss(0, sigma))
        yield value * (tail_factor * rng.random() + 1 if rng.random() < tail else 1)


EMPTY = histogram([])


def loss(expected, before, after, reordered=0, duplicated=0):
    lost, left = round(expected * before), round(expected * after)
    return {"expected": expected, "lost_before_rtx": lost, "recovered": lost - left,
            "before": lost / expected if expected else 0.0, "after": left / expected if expected else 0.0,
            "reordered": reordered, "duplicated": duplicated}


def no_audio():
    return {"sent": {"packets": 0, "bytes": 0}, "received": {"packets": 0, "bytes": 0},
            "pairs": {"expected": 0, "heard": 0, "missing": [], "missing_count": 0, "unexpected": 0},
            "tones": {"checked": 0, "right": 0, "wrong": 0, "silent": 0, "examples": []},
            "latency_us": EMPTY, "jitter_us": EMPTY, "loss": loss(0, 0, 0),
            "gaps": {"count": 0, "total_ms": 0, "longest_ms": 0, "ms": EMPTY}}


def no_video():
    return {"sent": {"packets": 0, "bytes": 0}, "received": {"packets": 0, "bytes": 0}, "frames": {"sent": 0, "received": 0},
            "pairs": {"expected": 0, "shown": 0, "missing": [], "missing_count": 0, "unexpected": 0},
            "latency_us": EMPTY, "jitter_us": EMPTY, "loss": loss(0, 0, 0), "rtx": {"sent": 0, "received": 0},
            "freezes": {"count": 0, "total_ms": 0, "longest_ms": 0, "ratio": 0.0, "ms": EMPTY},
            "layers": [], "asked_share": 0.0, "keyframes_received": 0, "switch_ms": EMPTY, "codecs": {}}


def audio(rng, listeners, speakers, seconds, median_us, sigma=0.3, tail=0.004, before=0.0, after=0.0):
    packets = listeners * speakers * 50 * seconds
    pairs = listeners * speakers
    return {"sent": {"packets": speakers * 50 * seconds, "bytes": speakers * 50 * seconds * 112},
            "received": {"packets": packets - round(packets * after), "bytes": packets * 112},
            "pairs": {"expected": pairs, "heard": pairs, "missing": [], "missing_count": 0, "unexpected": 0},
            "tones": {"checked": pairs, "right": pairs, "wrong": 0, "silent": 0, "examples": []},
            "latency_us": scaled(histogram(spread(rng, 6000, median_us, sigma, tail)), max(1, packets // 6000)),
            "jitter_us": scaled(histogram(spread(rng, 3000, median_us / 4, 0.5)), max(1, packets // 3000)),
            "loss": loss(packets, before, after),
            "gaps": {"count": 0, "total_ms": 0, "longest_ms": 0, "ms": EMPTY}}


def video(rng, viewers, slots, publishers, seconds, median_us, before=0.0, after=0.0, freezes=()):
    packets = viewers * slots * 62 * seconds
    pairs = viewers * slots
    freezes = list(freezes)
    return {"sent": {"packets": publishers * 190 * seconds, "bytes": publishers * 190 * seconds * 1050},
            "received": {"packets": packets - round(packets * after), "bytes": packets * 1010},
            "frames": {"sent": publishers * 75 * seconds, "received": pairs * 25 * seconds},
            "pairs": {"expected": pairs, "shown": pairs, "missing": [], "missing_count": 0, "unexpected": 0},
            "latency_us": scaled(histogram(spread(rng, 6000, median_us, 0.4, 0.01)), max(1, packets // 6000)),
            "jitter_us": scaled(histogram(spread(rng, 3000, median_us, 0.5)), max(1, packets // 3000)),
            "loss": loss(packets, before, after, reordered=12), "rtx": {"sent": round(packets * before), "received": round(packets * (before - after))},
            "freezes": {"count": len(freezes), "total_ms": sum(freezes), "longest_ms": max(freezes, default=0),
                        "ratio": sum(freezes) / (pairs * seconds * 1000), "ms": histogram(freezes)},
            "layers": [{"asked_height": 180, "seconds": {"180": pairs * 0.6 * seconds, "360": 0, "720": 0}},
                       {"asked_height": 360, "seconds": {"180": pairs * 0.005 * seconds, "360": pairs * 0.275 * seconds, "720": 0}},
                       {"asked_height": 720, "seconds": {"180": 0, "360": pairs * 0.01 * seconds, "720": pairs * 0.11 * seconds}}],
            "asked_share": 0.985, "keyframes_received": pairs * 3, "switch_ms": histogram(spread(rng, pairs, 62, 0.4)),
            "codecs": {"vp8": {"packets_received": packets // 2, "keyframes_received": pairs * 2},
                       "vp9": {"packets_received": packets // 4, "keyframes_received": pairs // 2},
                       "h264": {"packets_received": packets // 4, "keyframes_received": pairs // 2}}}


def joins(rng, bots, video_too, slow=1.0):
    medians = {"token": 4200, "tcp": 160, "tls": 2600, "websocket": 900, "join": 3100, "ice": 2300, "dtls": 6400,
               "first_packet": 22000, "first_keyframe": 58000}
    rows = [{stage: next(spread(rng, 1, median * slow, 0.4, 0.03, 5)) for stage, median in medians.items()} for _ in range(bots)]
    stages = {stage: histogram(row[stage] for row in rows) for stage in medians}
    stages["tls"] = EMPTY  # plain HTTP to the local cluster
    if not video_too:
        stages["first_keyframe"] = EMPTY
    stages["total"] = histogram(sum(row[s] for s in ("token", "tcp", "websocket", "join", "ice", "dtls")) for row in rows)
    return {"wanted": bots, "joined": bots, "failed": 0, "failures": [], "stages": {s: stages[s] for s in STAGES}}


def series(rng, bots, ramp, settle, plateau, packets_per_s, p50, servers):
    total = ramp + settle + plateau
    times = list(range(total))
    share = [min(1.0, (t + 1) / ramp) for t in times]
    wobble = lambda: 1 + rng.gauss(0, 0.03)
    return {"step_s": 1, "t": times,
            "phase": ["ramp" if t < ramp else "settle" if t < ramp + settle else "plateau" for t in times],
            "connected": [round(bots * s) for s in share],
            "packets_sent": [round(packets_per_s[0] * s * wobble()) for s in share],
            "packets_received": [round(packets_per_s[1] * s * s * wobble()) for s in share],
            "bytes_received": [round(packets_per_s[1] * packets_per_s[2] * s * s * wobble()) for s in share],
            "latency_p50_us": [round(p50 * (0.7 + 0.3 * s) * wobble()) for s in share],
            "latency_p99_us": [round(p50 * 3.2 * (0.7 + 0.3 * s) * (1 + abs(rng.gauss(0, 0.15)))) for s in share],
            "loss_after": [0.0] * total, "freezes": [0] * total, "tester_cpu": [round(0.42 * s * wobble(), 3) for s in share],
            "servers": {name: {"cpu": [round(cpu * (0.05 + 0.95 * s * s) * wobble(), 4) for s in share],
                               "memory_bytes": [round(memory * (0.8 + 0.2 * s)) for s in share]} for name, cpu, memory in servers}}


def server(name, seconds, cpu, memory, packets=None, pid=4100):
    packets_in, packets_out, size = packets or (None, None, 0)
    return {"name": name, "metrics": f"http://127.0.0.1:9{pid % 1000}/metrics", "pid": pid, "restarted": False, "cpu_seconds": round(cpu * seconds, 2),
            "cpu_share": cpu, "memory_bytes": {"start": round(memory * 0.8), "peak": memory, "end": round(memory * 0.99)},
            "packets_in": packets_in, "packets_out": packets_out, "bytes_in": packets_in and packets_in * size, "bytes_out": packets_out and packets_out * size,
            "packets_dropped": packets and 0, "packets_out_per_cpu_second": round(packets_out / (cpu * seconds)) if packets else None, "note": ""}


def base(rng, name, description, bots, groups, ramp, plateau, cluster, rates, p50):
    """Everything but audio and video of a run on the local cluster: cluster is (name, cpu share, memory, packets)."""
    settle = 3
    seconds = {"ramp": float(ramp) + 0.1, "settle": settle, "plateau": plateau, "total": ramp + settle + plateau + 4.2}
    return {
        "schema": "conclave-loadtest/1",
        "tool": {"version": "0.1.0", "driver": "conclave", "stamp": "extension", "machines": 1},
        "scenario": {"name": name, "description": description, "rooms": 1, "bots": bots,
                     "groups": [{"name": n, "bots": b} for n, b in groups],
                     "yaml": f"name: {name}\nrooms: 1\ngroups:\n" + "".join(f"  - name: {n}\n    bots: {b}\n" for n, b in groups)},
        "target": "http://localhost:8080", "started": "2026-11-21T10:11:12Z", "seconds": seconds,
        "environment": {"kernel": "Linux 6.1.0-41-amd64", "cpu": "AMD EPYC 7543 32-Core Processor", "cores": 2, "memory_bytes": 8 << 30,
                        "governor": None, "hostname_hash": "6f1c92ab", "io_backends": {"sfud-1": "uring", "sfud-2": "uring"}, "cipher": "AEAD_AES_128_GCM",
                        "sysctl": {"net.core.rmem_max": 212992, "net.core.wmem_max": 212992, "net.core.netdev_max_backlog": 1000},
                        "open_files_max": 1048576, "virtualised": "kvm", "clock": {"source": "tsc", "offset_us": 0, "uncertainty_us": 0}},
        "joins": None, "audio": None, "video": None,
        "feedback": {"sent": {"nack": 0, "pli": 0, "transport_cc": bots * plateau * 10, "receiver_reports": bots * plateau},
                     "received": {"nack": 0, "pli": 0, "fir": 0, "transport_cc": plateau * 100, "remb": 0}},
        "errors": {"srtp_authentication": 0, "srtp_replay": 0, "malformed": 0, "signaling": []},
        "chaos": [],
        "servers": [server(n, plateau, cpu, memory, packets, 4100 + i) for i, (n, cpu, memory, packets) in enumerate(cluster)],
        "tester": {"cpu_seconds": round(0.42 * plateau, 2), "cpu_share_busiest_thread": 0.38, "threads": 2,
                   "memory_bytes": {"start": 14 << 20, "peak": (14 << 20) + bots * 212000}, "memory_bytes_per_bot": 212000,
                   "cpu_us_per_bot_second": round(0.42e6 / bots), "socket_drops": 0, "send_failures": 0,
                   "late_us": histogram(spread(rng, 4000, 90, 0.5, 0.01)), "steal_share": 0.004, "saturated": False, "reasons": []},
        "series": series(rng, bots, ramp, settle, plateau, rates, p50, [(n, cpu, memory) for n, cpu, memory, _ in cluster]),
        "slo": None, "search": None, "verdict": "passed", "verdict_reasons": [],
    }


def term(text, metric, op, limit, unit, value, passed, why=""):
    return {"metric": metric, "op": op, "limit": limit, "unit": unit, "value": value, "text": text, "passed": passed, "why": why}


def slo(*terms):
    return {"text": ",".join(t["text"] for t in terms), "passed": all(t["passed"] for t in terms), "terms": list(terms)}


def audio_room(seed=1, cpu=0.31, median=640):
    rng = random.Random(seed)
    r = base(rng, "audio-room", "300 participants in one room, 5 of them speak", 300, [("speaker", 5), ("listener", 295)], 30, 30,
             [("sfud-1", cpu, 41 << 20, (7950, 1122500 // 2, 158)), ("sfud-2", cpu * 0.96, 40 << 20, (7700, 1122500 // 2, 158)),
              ("signald-1", 0.021, 22 << 20, None), ("signald-2", 0.019, 21 << 20, None), ("authd-1", 0.004, 17 << 20, None),
              ("auditd-1", 0.003, 15 << 20, None), ("redis", 0.006, 9 << 20, None)], (250, 74750, 158), median)
    r["joins"] = joins(rng, 300, False)
    r["audio"] = audio(rng, 299, 5, 30, median)
    r["audio"]["pairs"]["expected"] = r["audio"]["pairs"]["heard"] = 1495
    r["video"] = no_video()
    l = r["audio"]["latency_us"]
    r["slo"] = slo(term("loss<0.5%", "loss", "<", 0.005, "share", 0.0, True),
                   term("latency_p99<5ms", "latency_p99", "<", 5000, "us", l["p99"], True),
                   term("heard>=100%", "heard", ">=", 1.0, "share", 1.0, True))
    return r


def meeting(seed=2):
    rng = random.Random(seed)
    r = base(rng, "meeting-20x20", "20 participants with camera and microphone, 9 slots each", 20, [("participant", 20)], 10, 30,
             [("sfud-1", 0.22, 47 << 20, (57000, 209000, 960)), ("sfud-2", 0.19, 45 << 20, (57000, 172000, 960)), ("signald-1", 0.009, 20 << 20, None),
              ("signald-2", 0.006, 20 << 20, None), ("authd-1", 0.001, 17 << 20, None), ("auditd-1", 0.001, 15 << 20, None), ("redis", 0.002, 8 << 20, None)],
             (4800, 15500, 760), 820)
    r["joins"] = joins(rng, 20, True)
    r["audio"] = audio(rng, 19, 5, 30, 700)
    r["video"] = video(rng, 20, 9, 20, 30, 900, before=0.0012, after=0.0, freezes=[212, 340])
    r["feedback"]["sent"].update(nack=402, pli=391)
    r["feedback"]["received"].update(nack=12, pli=180)
    r["series"]["freezes"][18] = r["series"]["freezes"][29] = 1
    return r


def bots_hit(rng, count, at, how="resumed"):
    return [{"bot": i * 2, "name": f"listener-{i * 2}", "room": "load-1", "server": "signald-1", "at_s": round(at + rng.random() * 0.05, 2),
             "ms": round(rng.uniform(250, 900)) if how != "never" else None, "how": how} for i in range(count)]


def chaos(seed=3):
    rng = random.Random(seed)
    r = audio_room(seed)
    r["scenario"].update(name="chaos", description="One signald is killed, then Redis is paused for 10 s, under a room of 300")
    r["seconds"].update(plateau=60, total=97.3)
    r["series"] = series(rng, 300, 30, 3, 60, (250, 74750, 158), 660,
                         [(s["name"], s["cpu_share"], s["memory_bytes"]["peak"]) for s in r["servers"]])
    hit = bots_hit(rng, 148, 43) + bots_hit(rng, 2, 43, "rejoined")
    hit[-1].update(name="listener-299", bot=299)
    r["chaos"] = [
        {"name": "kill signald-1", "kind": "command", "at_s": 43.0, "until_s": 44.1, "exit_status": 0, "output": "signald-1: killed, started again as pid 5210",
         "signaling": {"lost": 150, "resumed": 148, "rejoined": 2, "never": 0, "ms": histogram(b["ms"] for b in hit), "bots": hit[:100]},
         "media": {"streams": 1495, "untouched": 1495, "hit": 0, "ms": EMPTY, "bots": []}},
        {"name": "pause redis 10 s", "kind": "command", "at_s": 60.0, "until_s": 70.0, "exit_status": 0, "output": "",
         "signaling": {"lost": 0, "resumed": 0, "rejoined": 0, "never": 0, "ms": EMPTY, "bots": []},
         "media": {"streams": 1495, "untouched": 1492, "hit": 3, "ms": histogram([120, 140, 220]),
                   "bots": [{"bot": 17 + i, "name": f"listener-{17 + i}", "kind": "audio", "from": "speaker-2", "at_s": 61.4, "ms": ms} for i, ms in enumerate((120, 140, 220))]}},
        {"name": "reconnect storm", "kind": "storm", "at_s": 80.0, "until_s": 84.0, "exit_status": None, "output": "",
         "signaling": {"lost": 100, "resumed": 97, "rejoined": 0, "never": 3, "ms": histogram(rng.uniform(40, 380) for _ in range(97)),
                       "bots": bots_hit(rng, 20, 80) + bots_hit(rng, 3, 80, "never")},
         "media": {"streams": 1495, "untouched": 1495, "hit": 0, "ms": EMPTY, "bots": []}}]
    for t in range(43, 46):
        r["series"]["servers"]["signald-1"]["cpu"][t] = 0.0 if t == 43 else 0.31
    r["servers"][2].update(restarted=True, note="restarted at 43.9 s; figures of both processes")
    r["audio"]["gaps"] = {"count": 3, "total_ms": 480, "longest_ms": 220, "ms": histogram([120, 140, 220])}
    r["slo"] = slo(term("resume_p99<1s", "resume_p99", "<", 1e6, "us", None, False, "3 bots never came back"),
                   term("audio_gap_longest<300ms", "audio_gap_longest", "<", 3e5, "us", 220000, True))
    r["verdict"] = "failed"
    r["verdict_reasons"] = ["resume_p99<1s: 3 bots never came back", "reconnect storm: 3 bots never came back"]
    return r


def saturated(seed=4):
    rng = random.Random(seed)
    r = audio_room(seed, cpu=0.12, median=9000)
    r["scenario"].update(name="audio-room-pinned", description="The tester has a tenth of a core")
    r["joins"] = joins(rng, 288, False, slow=30)
    r["joins"].update(wanted=300, joined=288, failed=12, failures=[
        {"stage": "dtls", "error": "timeout", "message": "no answer to the DTLS handshake for 10 s", "count": 9, "bot": 41},
        {"stage": "ice", "error": "no-answer", "message": "no Binding response from 127.0.0.1:7001", "count": 3, "bot": 7}])
    r["audio"] = audio(rng, 287, 5, 30, 31000, sigma=0.9, tail=0.05, before=0.091, after=0.074)
    r["audio"]["pairs"].update(expected=1495, heard=1391, missing_count=104, missing=[{"listener": 250 + i, "speaker": i % 5} for i in range(50)])
    r["audio"]["tones"].update(checked=1391, right=1360, silent=25, wrong=6, examples=[{"listener": 12, "speaker": 3, "expected_hz": 620, "heard_hz": 0}])
    r["audio"]["gaps"] = {"count": 840, "total_ms": 152000, "longest_ms": 2400, "ms": histogram(spread(rng, 840, 160, 0.5))}
    r["tester"].update(cpu_share_busiest_thread=0.99, socket_drops=81233, send_failures=14, steal_share=0.31, saturated=True,
                       late_us=histogram(spread(rng, 4000, 42000, 0.8, 0.02)),
                       reasons=["thread 0 was busy 99 % of the time", "81,233 packets were dropped in the tester's own sockets",
                                "timers ran 212 ms late at p99"])
    r["series"]["loss_after"] = [0.0 if t < 20 else round(0.074 * (1 + 0.2 * rng.gauss(0, 1)), 4) for t in r["series"]["t"]]
    r["series"]["connected"] = [min(288, c) for c in r["series"]["connected"]]
    r["series"]["tester_cpu"] = [round(0.1 * min(1, t / 12), 3) for t in r["series"]["t"]]
    r["slo"] = slo(term("loss<0.5%", "loss", "<", 0.005, "share", r["audio"]["loss"]["after"], False, "loss is 7.40 %, not below 0.5 %"))
    r["search"] = {"metric": "bots", "best": 240, "steps": [
        {"bots": 120, "passed": True, "why": "", "seconds": 41.0}, {"bots": 240, "passed": True, "why": "", "seconds": 44.0},
        {"bots": 300, "passed": False, "why": "the tester is saturated", "seconds": 67.2}]}
    r["verdict"], r["verdict_reasons"] = "saturated", list(r["tester"]["reasons"])
    return r


def janus(seed=5):
    rng = random.Random(seed)
    r = audio_room(seed, median=1150)
    r["tool"].update(driver="janus", stamp="payload")
    r["target"] = "http://localhost:8088/janus"
    r["environment"]["cipher"] = "AES_CM_128_HMAC_SHA1_80"
    r["environment"].pop("io_backends")
    r["joins"] = joins(rng, 300, False, slow=2.1)
    r["joins"]["stages"]["token"] = EMPTY
    r["servers"] = [dict(server("janus", 30, 1.34, 212 << 20, (7950, 2242500, 158), 6001), metrics=None, packets_in=None, packets_out=None, bytes_in=None, bytes_out=None,
                         packets_dropped=None, packets_out_per_cpu_second=None, note="figures of /proc; Janus has no counters of packets")]
    r["series"]["servers"] = {"janus": {"cpu": [round(1.34 * min(1, (t + 1) / 30) ** 2, 3) for t in r["series"]["t"]],
                                        "memory_bytes": [round((80 + 132 * min(1, (t + 1) / 30)) * (1 << 20)) for t in r["series"]["t"]]}}
    r["slo"]["terms"][1]["value"] = r["audio"]["latency_us"]["p99"]
    return r


def hostile(seed=6):
    """The same keys with strings of somebody who wants to break out of a page or a terminal."""
    r = chaos(seed)
    evil = "</script><script>document.title='owned'</script><!--<script>\u2028\u2029\"'&amp;<img src=x onerror=document.title='owned'>\x1b[2J\x07\u202e"
    def poison(node):
        if isinstance(node, dict):
            return {k: (v if k in ("schema", "verdict", "kind", "how", "driver", "stamp", "op", "metric", "unit", "phase", "started") else poison(v)) for k, v in node.items()}
        if isinstance(node, list):
            return [poison(v) for v in node]
        return evil if isinstance(node, str) else node
    r = poison(r)
    r["series"]["servers"] = {evil + name: copy.deepcopy(s) for name, s in r["series"]["servers"].items()}
    r["verdict_reasons"] = [evil]
    return r


def main():
    directory = sys.argv[1]
    runs = {"audio-room": audio_room(), "audio-room-again": audio_room(seed=11), "audio-room-slower": audio_room(seed=12, cpu=0.44, median=910),
            "meeting": meeting(), "chaos": chaos(), "saturated": saturated(), "janus": janus(), "hostile": hostile()}
    for name, result in runs.items():
        with open(f"{directory}/{name}.json", "w", encoding="ascii") as file:
            json.dump(result, file, separators=(",", ":"))
            file.write("\n")


if __name__ == "__main__":
    main()
