"""An SRP-6a client in plain integers, straight from RFC 5054 and docs/api.md.

Shares nothing with the C code, not even the primes: they are computed from the formula of RFC 3526
(2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) pi) + c)).

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import secrets


def _pi_scaled(bits):
    """floor(2^bits * pi), by Machin's formula with guard bits."""
    guard = 64
    one = 1 << (bits + guard)

    def arctan_inverse(x):
        total = term = one // x
        n, sign = 3, -1
        while term:
            term //= x * x
            total += sign * (term // n)
            n, sign = n + 2, -sign
        return total

    return (4 * (4 * arctan_inverse(5) - arctan_inverse(239))) >> guard


def _modp_prime(bits, constant):
    return 2**bits - 2**(bits - 64) - 1 + 2**64 * (_pi_scaled(bits - 130) + constant)


GROUPS = {"3072": (_modp_prime(3072, 1690314), 5), "4096": (_modp_prime(4096, 240904), 5)}


def H(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def to_int(data):
    return int.from_bytes(data, "big")


class Client:
    def __init__(self, username, stretched, group="3072", a=None):
        """stretched: P, the 32 bytes that Argon2id made of the password."""
        self.N, self.g = GROUPS[group]
        self.len = (self.N.bit_length() + 7) // 8
        self.I = username.lower().encode()
        self.P = stretched
        self.a = secrets.randbits(256) if a is None else a
        self.A = pow(self.g, self.a, self.N)

    def pad(self, n):
        return n.to_bytes(self.len, "big")

    def x(self, salt):
        return to_int(H(salt, H(self.I, b":", self.P)))

    def verifier(self, salt):
        return pow(self.g, self.x(salt), self.N)

    def prove(self, salt, B):
        """M1; keeps what check() needs."""
        assert B % self.N != 0
        k = to_int(H(self.pad(self.N), self.pad(self.g)))
        u = to_int(H(self.pad(self.A), self.pad(B)))
        x = self.x(salt)
        S = pow(B - k * pow(self.g, x, self.N), self.a + u * x, self.N)
        self.K = H(self.pad(S))
        group = bytes(p ^ q for p, q in zip(H(self.pad(self.N)), H(self.pad(self.g))))
        self.M1 = H(group, H(self.I), salt, self.pad(self.A), self.pad(B), self.K)
        return self.M1

    def check(self, M2):
        return M2 == H(self.pad(self.A), self.M1, self.K)
