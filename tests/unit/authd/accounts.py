"""Signing up and in over authd's API, with the independent SRP client.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import secrets

from srp_client import Client


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(n):
    return b64(n.to_bytes(384, "big"))


def registration(username, P):
    salt = secrets.token_bytes(16)
    return {"username": username, "display_name": username.title(), "salt": b64(salt),
            "verifier": number(Client(username, P).verifier(salt)), "group": "3072",
            "kdf": {"name": "argon2id", "memory_kib": 19456, "iterations": 2, "parallelism": 1}}


def login(d, username, P, **more):
    client = Client(username, P)
    status, start, _ = d.ask("POST", "/v1/login/start", {"username": username, "A": number(client.A)})
    assert status == 200, start
    M1 = client.prove(unb64(start["salt"]), int.from_bytes(unb64(start["B"]), "big"))
    status, answer, headers = d.ask("POST", "/v1/login/finish",
                                    {"login": start["login"], "M1": b64(M1), **more})
    if status == 200:
        assert client.check(unb64(answer["M2"])), "the server's proof is wrong"
    return status, answer, headers
