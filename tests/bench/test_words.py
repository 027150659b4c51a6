#!/usr/bin/env python3
"""The words of ./dev bench, as far as they go without servers.

test_words.py TOOLS TRACE

SPDX-License-Identifier: Apache-2.0
"""
import os
import struct
import subprocess
import sys
import time

sys.path.insert(0, sys.argv[1])
import bench_call  # noqa: E402
import bench_clip  # noqa: E402
import bench_compare  # noqa: E402
import bench_figures  # noqa: E402
import bench_grow  # noqa: E402
import bench_join  # noqa: E402
import bench_naive  # noqa: E402
import bench_signal  # noqa: E402
import bench_soak  # noqa: E402


def refused(*words):
    done = subprocess.run([sys.executable, f"{sys.argv[1]}/bench.py", *words], capture_output=True, text=True)
    assert done.returncode != 0, done
    return done.stderr


def result(lost=0.0, packets=1000, cpu=0.002, joined=3, saturated=False):
    kind = {"received": {"packets": packets, "bytes": 100 * packets}, "sent": {"packets": packets // 2, "bytes": 50 * packets}, "loss": {"expected": packets, "after": lost},
            "latency_us": {"count": packets, "p99": 1500}}
    none = {"received": {"packets": 0, "bytes": 0}, "sent": {"packets": 0, "bytes": 0}, "loss": {"expected": 0, "after": 0.0}, "latency_us": {"count": 0, "p99": 0}}
    return {"audio": kind, "video": none, "seconds": {"plateau": 2.0}, "joins": {"joined": joined, "wanted": 3},
            "servers": [{"name": "redis", "cpu_seconds": 9.0}, {"name": "sfud-1", "cpu_seconds": cpu}],
            "tester": {"cpu_seconds": 1.0, "saturated": saturated}, "verdict": "passed", "verdict_reasons": []}


def a_size_that_is_no_number_is_named():
    assert bench_call.sizes("viewers=500,audio=20") == {"viewers": 500, "audio": 20} and bench_call.sizes("") == {}
    for text in ("viewers", "viewers=", "viewers=0", "viewers=ten"):
        assert f"not {text}" in refused("compare", "--size", text), text


def a_scenario_that_is_not_there_is_named_before_anything_starts():
    assert "no such scenario: video; there are: viewers, audio, meeting" in refused("compare", "--only", "video")
    assert "no such scenario: rooms" in refused("compare", "--size", "rooms=3")
    assert "sfud is not there; ./dev bench builds it" in refused("compare", "--build", "/nonexistent")


def the_clip_has_the_frames_of_the_trace():
    with open(sys.argv[2]) as f:
        trace = f.read()
    clip = bench_clip.ivf(trace)
    magic, _, header, fourcc, width, height, rate, scale, count, _ = struct.unpack_from("<4sHH4sHHIIII", clip)
    assert (magic, header, fourcc, width, height, rate, scale) == (b"DKIF", 32, b"VP80", 1280, 720, 30, 1)
    lines, at = trace.split("\n")[:-1], header
    assert count == len(lines)
    for line in lines:
        size = struct.unpack_from("<I", clip, at)[0]
        assert size == int(line.split()[0])
        is_key = clip[at + 12] & 1 == 0
        assert is_key == line.endswith("K")
        assert not is_key or clip[at + 15:at + 18] == b"\x9d\x01\x2a"
        at += 12 + size
    assert at == len(clip)


def a_percentile_is_the_upper_end_of_its_bucket_and_no_more_than_the_largest_value():
    histogram = {"count": 100, "max": 95, "buckets": [[10, 50], [20, 45], [100, 5]]}
    assert [bench_call.percentile(histogram, p) for p in (50, 51, 95, 99)] == [10, 20, 20, 95]
    assert bench_call.percentile({"count": 0, "max": 0, "buckets": []}, 50) is None


def a_counter_is_added_up_over_its_labels_and_is_not_another_with_a_longer_name():
    text = "# TYPE a_total counter\na_total{x=\"1\"} 2\na_total{x=\"2\"} 3\na_total_more 7\nb_total 1\n"
    assert bench_call.counter(text, "a_total") == 5 and bench_call.counter(text, "b_total") == 1


def cpu_time_is_of_a_process_or_of_its_threads_of_a_name():
    deadline = time.process_time() + 0.1
    while time.process_time() < deadline:
        pass
    with open("/proc/self/comm") as f:
        name = f.read().strip()
    whole, named = bench_call.cpu_seconds(os.getpid()), bench_call.cpu_seconds(os.getpid(), name)
    assert whole >= 0.08 and 0.08 <= named <= whole, (whole, named)
    assert bench_call.cpu_seconds(os.getpid(), "no such thread") == 0


def the_cost_of_a_packet_is_of_the_server_process_alone():
    run = bench_compare.figures_of(result(), "sfud-1")
    assert abs(run["ns_per_packet"] - 2000) < 1e-6 and run["packets_per_s"] == 500 and run["latency_ms_p99"] == 1.5, run
    assert bench_compare.figures_of(result(), "janus") is None
    assert bench_compare.figures_of(result(packets=0), "sfud-1") is None


def a_round_that_lost_packets_or_people_has_no_ratio():
    good, lossy, short = (bench_compare.figures_of(r, "sfud-1") for r in (result(), result(lost=0.01), result(joined=2)))
    slow = {**good, "ns_per_packet": 10000}
    naive = {"ns_per_packet": 20000, "packets_per_s": 1, "cpu_share": 0.1, "taken": 1, "arrived": 1}
    s, = bench_compare.summarise([("audio", 3)], [[{"sfud": good, "janus": slow, "naive": naive}], [{"sfud": good, "janus": lossy, "naive": naive}]])
    assert s["rounds_whole"] == 1 and abs(s["janus_over_sfud"]["median"] - 5) < 1e-6, s
    assert s["troubles"] == ["janus: more than 0.5 % of the packets lost; a smaller --size helps"], s
    assert bench_compare.ratio(s["janus_over_sfud"], 2) == "5x [5-5] in 1 rounds"
    assert bench_compare.ratio(s["naive_over_sfud"], 2) == "10x [10-10]", s  # the naive loop has no call to lose
    s, = bench_compare.summarise([("audio", 3)], [[{"sfud": short, "janus": good, "naive": {**naive, "taken": 0.9, "arrived": 0.9}}]])
    assert s["janus_over_sfud"] is s["naive_over_sfud"] is None and bench_compare.ratio(s["janus_over_sfud"], 1) == "no whole call", s
    assert "sfud: 1 of 3 did not join" in s["troubles"] and len(s["troubles"]) == 3, s


def the_naive_loop_gets_as_many_packets_of_the_size_and_for_as_many_as_the_call_had():
    traffic = bench_naive.traffic_of(result())
    assert traffic == {"people": 3, "sent_per_s": 250, "received_per_s": 500, "payload": 100}, traffic
    options, trace = bench_naive.arguments(traffic, 3, None)
    assert trace == "100 K\n" and options == ["--viewers", 3, "--fan-out", "2.0000", "--speed", "8.3333"], options
    assert bench_naive.arguments(traffic, 3, "9 K\n8\n") == (["--viewers", 3], "9 K\n8\n")
    assert bench_naive.arguments({**traffic, "payload": 1190}, 3, None)[1] == "1150 K\n"  # still one packet


def sizes_that_make_no_rooms_of_ten_are_refused():
    for word in ("join", "signal"):
        for size in ("5", "55", "0"):
            assert "--size is a multiple of 10" in refused(word, "--size", size), (word, size)
        assert "one at least" in refused(word, "--rounds", "0")


def a_stage_that_nobody_went_through_is_left_out():
    none = {"count": 0, "max": 0, "buckets": []}
    stages = {stage: none for stage in bench_join.STAGES} | {"ice": {"count": 2, "max": 3000, "buckets": [[1000, 1], [4000, 1]]}}
    assert bench_join.stages_of({"joins": {"stages": stages}}) == {"ice": {"p50": 1.0, "p95": 3.0, "p99": 3.0}}


def a_join_is_answered_and_told_to_all_who_were_there():
    assert bench_signal.messages(1, 3) == 3 + (0 + 1 + 2) and bench_signal.messages(4, 1) == 4


def cpu_of_those_who_leave_is_not_that_of_those_who_join():
    series = {"t": [0.5, 1.5, 2.5, 3.5], "phase": ["ramp", "settle", "plateau", "done"], "servers": {"s": {"cpu": [1, 0.5, None, 9]}}}
    assert bench_signal.cpu_until_the_end({"series": series}, "s") == 0.5 + 0.5


def a_line_is_found_where_there_is_one():
    line = bench_figures.fit_line([(x, 3 * x + 7) for x in (10, 100, 2000)], relative=True)
    assert abs(line["slope"] - 3) < 1e-9 and abs(line["intercept"] - 7) < 1e-6 and line["deviation_max"] < 1e-9, line
    assert bench_figures.fit_line([(1, 2)]) is None and bench_figures.fit_line([(1, 2), (1, 3)]) is None


def a_small_value_off_the_line_is_seen_however_small():
    points = [(x, 3.0 * x) for x in (10, 20, 500, 1000, 2000)] + [(50, 180.0)]
    absolute, relative = (bench_figures.fit_line(points, relative=r) for r in (False, True))
    assert absolute["deviation_at"] != 50 or relative["deviation_max"] < absolute["deviation_max"], (absolute, relative)
    assert relative["deviation_at"] == 50 and 0.1 < relative["deviation_max"] < 0.2, relative


def grown(busy=0.5, taken=100, ns=1000.0, viewers=10):
    return bench_grow.figures_of(viewers, {
        "ns_per_packet": ns, "burst_mean": 5.0, "latency_us_p50": 1, "latency_us_p99": 2, "busy": busy, "resident_bytes": 1024 * 7,
        "packets_in": taken, "published": 100, "unsent": 0, "send_failed": 0, "rx_overflow": 0})


def what_one_core_cannot_do_is_no_point_of_the_line():
    assert abs(grown()["cpu_ms_per_s"] - 2.84) < 1e-9 and grown()["resident_kb"] == 7
    full, late, good = grown(busy=0.99), grown(taken=90), grown()
    s = bench_grow.summarise([10, 20, 30], [{10: good, 20: full, 30: good}, {10: good, 20: late, 30: full}, {10: good, 20: good, 30: good}])
    assert [(p["viewers"], p["rounds"]) for p in s["points"]] == [(10, 3), (30, 2)], s
    assert [p["viewers"] for p in s["left_out"]] == [20] and s["left_out"][0]["busy"] == 0.5, s


def viewers_that_make_no_line_are_refused():
    for text in ("", "10", "10,", "0,10", "ten,20"):
        assert "--viewers wants two numbers" in refused("grow", "--viewers", text), text
    assert "one round at least" in refused("grow", "--rounds", "0")


def soaked(minutes=10, kb_per_min=0.0, load=0.6, **after):
    """A soak as run() has it, of which one thing may be wrong."""
    def one(t, **more):
        return {"at": 5.0 + t, "rss_kb": 30000 + kb_per_min * t / 60, "cpu": load * t, "threads": 3, "descriptors": 24, "lost": {"lost_total": 7},
                "participants": 0, "rooms": 0, "encodings": 0, "cached_packets": 0, "associations": 0, **more}
    return {"before": one(0), "after": one(60 * minutes, **after), "missed": 0, "wanted": 40, "joined": 40,
            "samples": [one(t, participants=40, descriptors=25) for t in range(0, 60 * minutes + 1, bench_soak.STEP_S)]}


def a_soak_that_is_flat_passes_and_memory_that_rises_does_not():
    assert bench_soak.judge(soaked(), 0.6) == []
    assert bench_soak.judge(soaked(kb_per_min=60), 0.6) == [] and bench_soak.judge(soaked(minutes=2, kb_per_min=300), 0.6) == []
    reason, = bench_soak.judge(soaked(kb_per_min=100), 0.6)
    assert reason == "memory rises: 100 KB/min over the second half, more than 64", reason
    early = soaked()
    early["samples"][0]["rss_kb"] = 0  # what is touched at first is no slope
    assert bench_soak.judge(early, 0.6) == []


def a_soak_fails_by_what_is_left_lost_missing_or_idle():
    for change, reason in (({"descriptors": 25}, "descriptors: 24 before anybody came, 25 when all had left"),
                           ({"threads": 4}, "threads: 3 before anybody came, 4 when all had left"),
                           ({"encodings": 2}, "encodings: 2 left when all had left"),
                           ({"participants": 1}, "participants: 1 left when all had left"),
                           ({"cached_packets": 9}, "cached_packets: 9 left when all had left"),
                           ({"lost": {"lost_total": 8, "new_total": 2}}, "lost by sfud: lost_total rose by 1; lost by sfud: new_total rose by 2")):
        assert "; ".join(bench_soak.judge(soaked(**change), 0.6)) == reason, change
    assert bench_soak.judge({**soaked(), "missed": 3}, 0.6) == ["bots missed 3 packets that their own sockets did not drop"]
    assert bench_soak.judge({**soaked(), "joined": 39}, 0.6) == ["1 of 40 did not join"]
    assert bench_soak.judge(soaked(load=0.5), 0.6) == [] and bench_soak.judge(soaked(load=0.4), 0.6) == [
        "the media thread was busy 40 % of its time instead of 60 %"]
    assert "too short" in bench_soak.judge({**soaked(), "samples": soaked()["samples"][:1]}, 0)[0]


def rooms_grow_to_the_load_but_not_beyond_what_bots_carry():
    assert bench_soak.next_rooms(10, 5, 1.05, False) == 10 and bench_soak.next_rooms(10, 5, 0.7, False) == 14
    assert bench_soak.next_rooms(4, 1, 0.1, False) == 8 and bench_soak.next_rooms(10, 5, 2, False) == 5
    assert bench_soak.next_rooms(20, 12, 0.9, True) == 16 and bench_soak.next_rooms(12, 12, 1, True) == 6
    assert bench_soak.next_rooms(1, 1, 1.05, True) == 1


def what_bots_dropped_themselves_sfud_did_not_lose():
    r = result(lost=0.01) | {"tester": {"socket_drops": 8}}
    assert bench_soak.bots_missed(r) == 2 and bench_soak.bots_missed(r | {"tester": {"socket_drops": 80}}) == 0


def counters_of_losses_are_added_up_over_workers_and_told_by_reason():
    text = ("# TYPE sfud_packets_dropped_total counter\n" "sfud_packets_dropped_total{worker=\"0\",reason=\"full\"} 1\n"
            "sfud_packets_dropped_total{worker=\"1\",reason=\"full\"} 2\n" "sfud_packets_dropped_total{worker=\"0\",reason=\"muted\"} 5\n"
            "sfud_udp_dropped_total{worker=\"0\",reason=\"send-failed\"} 4\n" "sfud_participants{worker=\"0\"} 3\n")
    samples = bench_soak.families(text)
    assert samples["sfud_participants"] == 3
    assert bench_soak.lost(samples) == {'sfud_packets_dropped_total{reason="full"}': 3, 'sfud_udp_dropped_total{reason="send-failed"}': 4}
    for minutes in ("0", "0.1"):
        assert "--minutes is 0.67 at least" in refused("soak", "--minutes", minutes)


for test in (a_size_that_is_no_number_is_named, a_scenario_that_is_not_there_is_named_before_anything_starts,
             the_clip_has_the_frames_of_the_trace, a_percentile_is_the_upper_end_of_its_bucket_and_no_more_than_the_largest_value,
             a_counter_is_added_up_over_its_labels_and_is_not_another_with_a_longer_name,
             cpu_time_is_of_a_process_or_of_its_threads_of_a_name,
             the_cost_of_a_packet_is_of_the_server_process_alone,
             a_round_that_lost_packets_or_people_has_no_ratio,
             the_naive_loop_gets_as_many_packets_of_the_size_and_for_as_many_as_the_call_had,
             sizes_that_make_no_rooms_of_ten_are_refused, a_stage_that_nobody_went_through_is_left_out,
             a_join_is_answered_and_told_to_all_who_were_there, cpu_of_those_who_leave_is_not_that_of_those_who_join,
             a_line_is_found_where_there_is_one, a_small_value_off_the_line_is_seen_however_small,
             what_one_core_cannot_do_is_no_point_of_the_line, viewers_that_make_no_line_are_refused,
             a_soak_that_is_flat_passes_and_memory_that_rises_does_not, a_soak_fails_by_what_is_left_lost_missing_or_idle,
             rooms_grow_to_the_load_but_not_beyond_what_bots_carry,
             what_bots_dropped_themselves_sfud_did_not_lose, counters_of_losses_are_added_up_over_workers_and_told_by_reason):
    test()
