"""Runs an independent SRP-6a client (srp_client.py) against core/srp (srp_server).

    srp_peer.py <path of srp_server>

SPDX-License-Identifier: Apache-2.0
"""
import secrets
import subprocess
import sys

from srp_client import GROUPS, Client


def server(group, username, salt, v, A, b):
    width = (GROUPS[group][0].bit_length() + 7) // 8 * 2
    out = subprocess.run(
        [sys.argv[1], group, username, salt.hex(), f"{v:0{width}x}", f"{A:0{width}x}", b.hex()],
        check=True, capture_output=True, text=True).stdout
    if out == "refused\n":
        return None
    return {key: bytes.fromhex(value) for key, value in (line.split("=") for line in out.split())}


def login(group, registered, tried):
    salt = secrets.token_bytes(16)
    v = Client("Ada", registered, group).verifier(salt)
    client = Client("Ada", tried, group)
    answer = server(group, "ada", salt, v, client.A, secrets.token_bytes(32))
    M1 = client.prove(salt, int.from_bytes(answer["B"], "big"))
    return M1 == answer["M1"], client.check(answer["M2"])


def main():
    for group in GROUPS:
        for _ in range(5):
            right, wrong = secrets.token_bytes(32), secrets.token_bytes(32)
            assert login(group, right, right) == (True, True), f"{group}: the right password failed"
            assert login(group, right, wrong) == (False, False), f"{group}: a wrong one passed"
        N = GROUPS[group][0]
        for A in (0, N):
            assert server(group, "ada", bytes(16), 4, A, bytes(range(32))) is None, "A % N == 0"
    print("srp: both sides agree in groups", ", ".join(GROUPS))


main()
