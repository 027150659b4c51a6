#!/usr/bin/env python3
"""The room scripts in a real redis-server: preconditions, seq, events. usage: test_scripts.py FOLDER

SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib
import sys
import tempfile

from support import Redis, free_port, is_missing, start_redis

FOLDER = pathlib.Path(sys.argv[1])


class Room:
    def __init__(self, port, name):
        self.redis, self.name, self.sub = Redis(port), name, Redis(port)
        self.state = "cc:{%s}:state" % name
        self.channel = "cc:{%s}:events" % name
        self.sub.send("SUBSCRIBE", self.channel)
        self.sub.read()

    def run(self, script, *args):
        text = (FOLDER / "prelude.lua").read_text() + (FOLDER / (script + ".lua")).read_text()
        return json.loads(self.redis("EVAL", text, 3, self.state, "cc:{%s}:chat" % self.name,
                                     "cc:{%s}:removed" % self.name, self.channel, *args))

    def event(self):
        return json.loads(self.sub.read()[2])

    def has_no_event(self):
        self.redis("PUBLISH", self.channel, '"mark"')
        return self.event() == "mark"

    def join(self, id, node="n1", cap=10, **more):
        return self.run("join", json.dumps({
            "id": id, "name": id, "kind": "guest", "role": "member", "hand": False,
            "connected": True, "tracks": [], "identity": "u_" + id, "signald": "s1",
            "signald_epoch": "e1", "node": node, "epoch": "1", "joined_at": 1790000000000,
            "resume": "hash", "slots": [], **more}), cap)


def two_that_place_at_once_agree_on_the_node(r):
    assert r.run("place", "n1", "1", "", "")["node"] == "n1"
    assert r.run("place", "n2", "1", "", "")["node"] == "n1"
    assert r.redis("TTL", r.state) <= 60


def a_room_moves_only_away_from_the_process_that_is_lost(r):
    r.run("place", "n1", "1", "", "")
    assert r.run("place", "n2", "1", "n1", "0")["node"] == "n1"
    assert r.run("place", "", "", "n1", "1")["error"] == "no-node"
    assert r.run("place", "", "", "", "")["node"] == "n1"
    assert r.run("place", "n2", "1", "n1", "1")["node"] == "n2"
    assert r.run("place", "n3", "1", "n1", "1")["node"] == "n2"
    assert r.join("a", node="n1")["error"] == "moved"
    assert r.join("a", node="n2")["ok"]
    r.redis("FLUSHALL")
    assert r.run("place", "", "", "", "")["error"] == "no-node"


def that_a_room_has_moved_is_told_once_and_shows_in_the_snapshot(r):
    r.run("place", "n1", "1", "", "")
    r.run("place", "n1", "1", "", "")
    assert r.has_no_event()
    r.join("a", node="n1")
    assert r.event()["seq"] == 1
    r.run("place", "n2", "7", "n1", "1")
    assert r.event() == {"op": "moved", "node": "n2", "epoch": "7"}
    r.run("place", "n3", "1", "n1", "1")
    assert r.has_no_event()
    picture = r.run("snapshot")
    assert picture["seq"] == 1 and picture["node"] == "n2" and picture["epoch"] == "7"


def joining_announces_only_what_is_public(r):
    answer = r.join("a")
    assert answer["created"] and answer["role"] == "moderator" and answer["seq"] == 1
    event = r.event()
    assert event["seq"] == 1 and event["op"] == "participant-joined"
    assert set(event["participant"]) == {"id", "name", "kind", "role", "hand", "connected", "tracks"}
    assert event["participant"]["tracks"] == [] and "resume" not in event["private"]
    second = r.join("b")
    assert not second["created"] and second["role"] == "member" and second["seq"] == 2
    assert len(second["participants"]) == 2 and r.redis("TTL", r.state) > 80000


def a_full_room_refuses(r):
    r.join("a", cap=1)
    r.event()
    assert r.join("b", cap=1) == {"ok": False, "error": "room-full"}
    assert r.has_no_event()


def the_creator_is_moderator_again_when_they_return(r):
    r.join("a")
    r.join("b")
    r.run("leave", "a", "left", "", "", "")
    assert r.join("a2", identity="u_a")["role"] == "moderator"


def role_of(r, id):
    return json.loads(r.redis("HGET", r.state, "p:" + id))["role"]


def when_the_last_moderator_leaves_the_longest_there_becomes_one(r):
    r.join("a")
    r.join("c", joined_at=1790000000002)
    r.join("b", joined_at=1790000000001)
    for _ in range(3):
        r.event()
    r.run("leave", "a", "lost", "", "", "")
    assert r.event()["op"] == "participant-left"
    event = r.event()
    assert event["seq"] == 5 and event["op"] == "participant-updated"
    assert event["participant"]["id"] == "b" and event["participant"]["role"] == "moderator"
    assert event["private"]["joined_at"] == 1790000000001
    assert role_of(r, "b") == "moderator" and role_of(r, "c") == "member"
    r.run("leave", "c", "left", "", "", "")
    assert r.event()["seq"] == 6 and r.has_no_event()
    assert r.join("b2", identity="u_b")["role"] == "moderator"


def who_comes_by_a_door_does_not_moderate(r):
    assert r.join("cam", door="whip")["role"] == "member"
    assert r.join("a")["role"] == "moderator"
    assert r.join("b")["role"] == "member"
    r.run("leave", "a", "left", "", "", "")
    assert role_of(r, "b") == "moderator" and role_of(r, "cam") == "member"
    r.run("leave", "b", "left", "", "", "")
    assert role_of(r, "cam") == "member"
    assert r.join("c")["role"] == "moderator"


def the_hash_of_a_door_ends_it_for_good(r):
    r.join("cam", door="whip", resume="right")
    assert not r.run("leave", "cam", "left", "", "", "", "", "wrong")["removed"]
    assert r.run("leave", "cam", "left", "", "", "", "", "right")["removed"]
    assert r.run("leave", "cam", "left", "", "", "", "", "right")["missing"]
    r.join("a")
    again = r.run("restore", json.dumps({"id": "cam", "tracks": [], "slots": []}), "1", "")
    assert again == {"ok": False, "error": "removed"}


def a_moderator_who_is_only_detached_stays_the_moderator(r):
    r.join("a")
    r.join("b")
    r.join("c")
    r.run("update", "a", '{"connected":false,"detached_at":1790000000001}', "", "s1", "e1")
    r.run("leave", "b", "left", "", "", "")
    assert role_of(r, "c") == "member" and role_of(r, "a") == "moderator"


def who_is_connected_succeeds_before_who_is_not(r):
    r.join("a")
    r.join("b")
    r.join("c", joined_at=1790000000009)
    r.run("update", "b", '{"connected":false,"detached_at":1790000000001}', "", "s1", "e1")
    r.run("leave", "a", "removed", "", "", "")
    assert role_of(r, "c") == "moderator" and role_of(r, "b") == "member"


def who_joins_again_at_once_takes_the_role_along(r):
    r.join("a")
    r.join("b")
    r.run("leave", "a", "left", "", "", "", "again")
    assert role_of(r, "b") == "member"
    assert r.join("a2", identity="u_a")["role"] == "moderator"


def leaving_obeys_its_guards_and_the_last_one_ends_the_room(r):
    r.join("a")
    r.event()
    assert not r.run("leave", "a", "lost", "s2", "", "")["removed"]
    assert not r.run("leave", "a", "lost", "s1", "e9", "")["removed"]
    assert not r.run("leave", "a", "lost", "", "", "1790000000001")["removed"]
    assert r.has_no_event()
    r.run("update", "a", '{"connected":false,"detached_at":1790000000001}', "announce", "s1", "e1")
    r.event()
    answer = r.run("leave", "a", "lost", "", "", "1790000000001")
    assert answer["removed"] and answer["empty"] and answer["participant"]["node"] == "n1"
    assert r.event() == {"seq": 3, "op": "participant-left", "participant": "a", "reason": "lost"}
    assert not r.redis("EXISTS", r.state)
    assert r.run("leave", "a", "left", "", "", "")["missing"]


def a_moderators_mute_lasts_until_the_owner_unmutes(r):
    r.join("a")
    assert r.run("track", "a", "mute", "camera", "self", "0", "0")["error"] == "not-found"
    r.run("track", "a", "publish", "camera", "self", "1280", "720")
    r.run("track", "a", "mute", "camera", "moderator", "0", "0")
    r.run("track", "a", "publish", "camera", "self", "640", "360")
    track = json.loads(r.redis("HGET", r.state, "p:a"))["tracks"][0]
    assert track["muted"] and track["muted_by"] == "moderator" and track["height"] == 360
    r.run("track", "a", "mute", "camera", "self", "0", "0")
    assert json.loads(r.redis("HGET", r.state, "p:a"))["tracks"][0]["muted_by"] == "moderator"
    assert r.run("track", "a", "unmute", "camera", "self", "0", "0")["was"] == "moderator"
    assert json.loads(r.redis("HGET", r.state, "p:a"))["tracks"][0]["muted_by"] is None
    assert r.run("track", "a", "unpublish", "camera", "self", "0", "0")["ok"]
    assert json.loads(r.redis("HGET", r.state, "p:a"))["tracks"] == []


def a_resume_token_works_once(r):
    r.join("a")
    r.event()
    assert r.run("resume", "a", "wrong", "h2", "s2", "e2")["error"] == "resume-expired"
    answer = r.run("resume", "a", "hash", "h2", "s2", "e2")
    assert answer["participant"]["signald"] == "s2" and answer["seq"] == 2
    assert r.event()["private"]["signald"] == "s2"
    assert r.run("resume", "a", "hash", "h3", "s3", "e3")["error"] == "resume-expired"
    assert r.run("update", "a", '{"connected":false}', "announce", "s1", "e1")["error"] == "moved"


def restoring_goes_on_with_the_seq_and_never_overwrites(r):
    r.join("a")
    record = r.redis("HGET", r.state, "p:a")
    assert not r.run("restore", record, "50", "u_a")["restored"]
    r.redis("FLUSHALL")
    assert r.run("restore", record, "50", "u_a")["restored"]
    assert r.redis("HGET", r.state, "seq") == "51"
    assert r.join("a2", identity="u_a")["role"] == "moderator"


def who_was_removed_is_not_put_back_even_if_the_room_has_ended(r):
    r.join("a")
    r.join("b")
    a, b = (r.redis("HGET", r.state, "p:" + id) for id in "ab")
    r.run("leave", "b", "removed", "", "", "")
    assert r.run("restore", b, "2", "u_a") == {"ok": False, "error": "removed"}
    assert r.run("leave", "a", "left", "", "", "")["empty"]
    assert r.run("restore", b, "2", "u_a")["error"] == "removed"
    assert r.run("restore", a, "2", "u_a")["restored"]


def chat_keeps_public_messages_only_and_not_too_many(r):
    r.join("a")
    r.event()
    for i in range(5):
        r.run("chat", "a", json.dumps({"op": "chat", "n": i}), "public", "", "3")
    assert r.event() == {"op": "chat", "n": 0}
    r.run("chat", "a", '{"op":"chat","n":9}', "private", "a", "3")
    assert [m["n"] for m in r.run("snapshot")["chat"]] == [2, 3, 4]
    assert r.run("chat", "x", "{}", "public", "", "3")["error"] == "not-found"
    assert r.run("chat", "a", "{}", "private", "x", "3")["error"] == "not-found"


def names_that_look_like_json_stay_what_they_are(r):
    name = 'x","tracks":{} {}[]\\'
    r.join("a", name=name)
    r.run("update", "a", '{"hand":true}', "announce", "", "")
    r.event()
    assert r.event()["participant"]["name"] == name
    assert json.loads(r.redis("HGET", r.state, "p:a"))["name"] == name


def owners_says_who_looks_after_whom(r):
    assert r.run("owners") == {"ok": True, "exists": False, "participants": []}
    r.join("a")
    assert r.run("owners")["participants"] == [
        {"id": "a", "signald": "s1", "signald_epoch": "e1", "connected": True}]


TESTS = [v for k, v in list(globals().items()) if callable(v) and "_" in k and
         k not in ("is_missing", "start_redis", "free_port", "role_of")]


def main():
    if is_missing("redis-server"):
        print("SKIP: redis-server is needed")
        return 77
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        process = start_redis(port, folder)
        try:
            for i, test in enumerate(TESTS):
                try:
                    test(Room(port, f"default/r{i}"))
                    print("ok", test.__name__)
                except Exception as e:  # report every test
                    print("not ok", test.__name__, repr(e), "line", e.__traceback__.tb_next.tb_lineno)
                    failed += 1
        finally:
            process.kill()
            process.wait()
    return 1 if failed else 0


sys.exit(main())
