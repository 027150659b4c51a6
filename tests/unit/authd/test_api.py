"""authd as it runs, with a Redis of its own: every endpoint of docs/api.md, over HTTP.

    test_api.py <authd>

The SRP client and the JWT's signature check share no code with authd.
SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import hmac
import json
import os
import secrets
import stat
import subprocess
import sys
import time

from accounts import login, number, registration, unb64
from daemons import WITHOUT_LEAK_CHECK, Cluster, wait_for

AUTHD = os.path.abspath(sys.argv[1])


# P-256 in plain integers, to check signatures without the code under test.
P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


def add(p, q):
    if p is None or q is None:
        return p or q
    if p[0] == q[0] and (p[1] + q[1]) % P256 == 0:
        return None
    if p == q:
        m = (3 * p[0] * p[0] - 3) * pow(2 * p[1], -1, P256)
    else:
        m = (q[1] - p[1]) * pow(q[0] - p[0], -1, P256)
    x = (m * m - p[0] - q[0]) % P256
    return x, (m * (p[0] - x) - p[1]) % P256


def multiply(k, p):
    r = None
    while k:
        if k & 1:
            r = add(r, p)
        p, k = add(p, p), k >> 1
    return r


def claims_of(d, token):
    """Verifies a JWT with the keys that authd publishes (RFC 7515, ECDSA by FIPS 186)."""
    header, payload, signature = token.split(".")
    parsed = json.loads(unb64(header))
    assert parsed["alg"] == "ES256", parsed
    _, jwks, headers = d.ask("GET", "/.well-known/jwks.json")
    assert "max-age" in headers["Cache-Control"]
    key = next(k for k in jwks["keys"] if k["kid"] == parsed["kid"])
    assert "d" not in key, "the private key is published"
    Q = tuple(int.from_bytes(unb64(key[c]), "big") for c in "xy")
    raw = unb64(signature)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    z = int.from_bytes(hashlib.sha256(f"{header}.{payload}".encode()).digest(), "big")
    w = pow(s, -1, ORDER)
    point = add(multiply(z * w % ORDER, G), multiply(r * w % ORDER, Q))
    assert point[0] % ORDER == r, "the signature is wrong"
    return json.loads(unb64(payload))


def audit_types(c):
    entries = c.redis_command("XRANGE", "cc:audit", "-", "+") or []
    return [json.loads(fields[1])["type"] for _, fields in entries]


def accounts(c, d):
    P = secrets.token_bytes(32)
    status, answer, _ = d.ask("POST", "/v1/register", registration("ada", P))
    assert status == 201 and answer["user"]["roles"] == ["member", "admin"], answer
    status, answer, _ = d.ask("POST", "/v1/register", registration("Ada", P))
    assert (status, answer["error"]) == (409, "username-taken"), answer
    assert answer["type"] == "urn:conclave:error:username-taken" and answer["request_id"], answer

    status, answer, _ = login(d, "Ada", P)
    assert status == 200, answer
    claims = claims_of(d, answer["access_token"])
    assert claims["iss"] == "conclave" and claims["kind"] == "user" and claims["name"] == "Ada"
    assert claims["sub"] == answer["user"]["id"] and claims["exp"] - claims["iat"] == 900
    assert claims["grant"] == {"room": "*", "subscribe": True, "data": True, "moderate": True, "admin": True,
                               "publish": ["microphone", "camera", "screen", "screen-audio"]}, claims
    status, me, _ = d.ask("GET", "/v1/me", headers={"Authorization": "Bearer " + answer["access_token"]})
    assert status == 200 and me["user"] == answer["user"], me

    status, wrong, _ = login(d, "ada", secrets.token_bytes(32))
    assert (status, wrong["error"]) == (401, "bad-credentials"), wrong
    status, unknown, _ = login(d, "nobody", P)
    del wrong["request_id"], unknown["request_id"]
    assert status == 401 and unknown == wrong, unknown
    status, known, _ = d.ask("POST", "/v1/login/start", {"username": "ada", "A": number(5)})
    status, unknown, _ = d.ask("POST", "/v1/login/start", {"username": "nobody", "A": number(5)})
    assert status == 200 and known.keys() == unknown.keys() and known["kdf"] == unknown["kdf"]
    assert all(len(known[k]) == len(unknown[k]) for k in ("salt", "B", "login"))
    return answer


def sessions(c, d, first):
    def refresh(token):
        return d.ask("POST", "/v1/token", {"refresh_token": token})[:2]

    status, second = refresh(first["refresh_token"])
    assert status == 200 and second["refresh_token"] != first["refresh_token"], second
    status, repeated = refresh(first["refresh_token"])
    assert status == 200 and repeated["refresh_token"] == second["refresh_token"], repeated
    status, third = refresh(second["refresh_token"])
    assert status == 200, third
    status, answer = refresh(first["refresh_token"])
    assert (status, answer["error"]) == (401, "refresh-reused"), answer
    status, answer = refresh(third["refresh_token"])
    assert (status, answer["error"]) == (401, "refresh-expired"), answer

    status, guest, headers = d.ask("POST", "/v1/guests", {"name": "Grace", "cookie": True})
    assert status == 201 and "refresh_token" not in guest, guest
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Secure" not in cookie, cookie
    claims = claims_of(d, guest["access_token"])
    assert claims["kind"] == "guest" and not claims["grant"]["moderate"] and claims["grant"]["room"] == "*"
    assert claims["sub"] == guest["guest"]["id"]
    assert "Max-Age=86400;" in cookie, cookie
    bearer = {"Authorization": "Bearer " + guest["access_token"]}
    assert d.ask("GET", "/v1/me", headers=bearer)[1]["guest"] == guest["guest"]
    cookie = {"Cookie": cookie.split(";")[0]}
    status, _, headers = d.ask("POST", "/v1/token", headers=cookie)
    assert status == 200
    assert "Max-Age=86400;" in headers["Set-Cookie"], headers
    cookie = {"Cookie": headers["Set-Cookie"].split(";")[0]}
    assert d.ask("POST", "/v1/logout", headers=cookie)[0] == 204
    assert d.ask("POST", "/v1/token", headers=cookie)[0] == 401
    assert d.ask("GET", "/v1/me", headers=bearer)[1]["error"] == "session-ended"


def ice_servers(d, secret):
    _, guest, _ = d.ask("POST", "/v1/guests", {"name": "Grace"})
    bearer = {"Authorization": "Bearer " + guest["access_token"]}
    status, answer, _ = d.ask("GET", "/v1/ice-servers", headers=bearer)
    assert status == 200 and answer["expires_in"] == 3600, answer
    server = answer["ice_servers"][0]
    assert server["urls"] == ["turn:127.0.0.1:3478"], server
    expiry, subject = server["username"].split(":")
    assert subject == guest["guest"]["id"] and 3500 < int(expiry) - time.time() <= 3600
    mac = hmac.new(secret.encode(), server["username"].encode(), hashlib.sha1).digest()
    assert server["credential"] == base64.b64encode(mac).decode()
    forged = bearer["Authorization"][:-4] + "AAAA"
    assert d.ask("GET", "/v1/ice-servers", headers={"Authorization": forged})[0] == 401


def two_instances(c, d, options):
    """Tokens and sessions of one are good at the other; unknown users look the same at both."""
    other = c.daemon(AUTHD, "--data-dir", os.path.join(c.dir, "other"), *options, name="authd-2")
    _, guest, _ = other.ask("POST", "/v1/guests", {"name": "Grace"})
    assert claims_of(d, guest["access_token"]) == claims_of(other, guest["access_token"])
    assert d.ask("POST", "/v1/token", {"refresh_token": guest["refresh_token"]})[0] == 200
    salts = {x.ask("POST", "/v1/login/start", {"username": "nobody", "A": number(5)})[1]["salt"]
             for x in (d, other)}
    assert len(salts) == 1, "the instances pretend differently"
    other.terminate()


def throttling(d):
    statuses = [d.ask("POST", "/v1/login/start", {"username": "victim", "A": number(5)})
                for _ in range(12)]
    status, answer, headers = statuses[-1]
    assert statuses[0][0] == 200 and (status, answer["error"]) == (429, "rate-limited"), answer
    assert 1 <= int(headers["Retry-After"]) <= 60


def outage(c, d):
    c.stop_redis()
    wait_for("the outage", lambda: d.probe("/readyz") == 503)
    assert d.probe("/healthz") == 200
    status, answer, headers = d.ask("POST", "/v1/guests", {"name": "Grace"})
    assert (status, answer["error"]) == (503, "unavailable") and headers["Retry-After"], answer
    assert d.ask("GET", "/.well-known/jwks.json")[0] == 200
    c.redis()
    d.wait_ready()
    assert d.ask("POST", "/v1/guests", {"name": "Grace"})[0] == 201


def failed_starts(c):
    """69, and the last line says why."""
    def start(*options):
        r = subprocess.run([AUTHD, "--redis-url", "unix://" + c.socket, "--listen", "127.0.0.1:0",
                            "--admin-listen", "127.0.0.1:0", *options], capture_output=True, text=True,
                           timeout=10, env=WITHOUT_LEAK_CHECK)
        assert r.returncode == 69 and "evt=daemon.start-failed" in r.stderr, r
        return r.stderr
    assert "too long" in start("--data-dir", "/" + "x" * 5000)
    assert "is not a directory" in start("--data-dir", c.socket)
    assert "what=listen" in start("--listen", "192.0.2.1:1", "--data-dir", os.path.join(c.dir, "a/b"))


def checked_config(c):
    """--check-config refuses what a start would."""
    def check(*options):
        return subprocess.run([AUTHD, "--check-config", "--data-dir", os.path.join(c.dir, "x/y"), *options],
                              capture_output=True, text=True, timeout=10, env=WITHOUT_LEAK_CHECK)
    assert check().returncode == 0 and not os.path.exists(os.path.join(c.dir, "x"))
    for why, *options in (("turn-secret-file: /nonexist", "--turn-secret-file", "/nonexist"),
                          ("turn-urls: 'banana'", "--turn-urls", "banana"),
                          ("data-dir: /proc/x", "--data-dir", "/proc/x"),
                          ("with its unit", "--access-token-ttl", "5"),
                          ("from 0 to 1000", "--throttle-scale", "99999999999999999999")):
        r = check(*options)
        assert r.returncode == 64 and why in r.stderr, r


def main():
    with Cluster() as c:
        secret_file = os.path.join(c.dir, "turn-secret")
        with open(os.open(secret_file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
            f.write("north-by-northwest\n")
        options = ["--turn-urls", "turn:127.0.0.1:3478", "--turn-secret-file", secret_file,
                   "--admins", "ada"]
        data = os.path.join(c.dir, "data")
        c.redis()
        checked_config(c)
        d = c.daemon(AUTHD, "--data-dir", data, *options)
        for name in os.listdir(data):
            assert stat.S_IMODE(os.stat(os.path.join(data, name)).st_mode) == 0o600, name
        first = accounts(c, d)
        sessions(c, d, first)
        ice_servers(d, "north-by-northwest")
        two_instances(c, d, options)
        throttling(d)
        outage(c, d)
        expected = {"account.created", "session.login", "session.login-failed", "session.refreshed",
                    "session.reuse-detected", "session.logout", "guest.created"}
        wait_for("audit events", lambda: expected <= set(audit_types(c)))
        d.terminate()
        again = c.daemon(AUTHD, "--data-dir", data, *options)
        _, guest, _ = again.ask("POST", "/v1/guests", {"name": "Grace"})
        claims_of(again, guest["access_token"])
        again.terminate()
        assert subprocess.run([AUTHD, "--data-dir", data, "--no-such-key", "1"],
                              capture_output=True).returncode == 64
        failed_starts(c)
    print("authd: all endpoints answer as docs/api.md says")


main()
