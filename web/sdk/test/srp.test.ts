// SRP-6a against the vectors of RFC 5054 (appendix B) and against a server written here.
// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { concat, fromBase64url, fromBigInt, modPow, toBase64url, toBigInt, utf8, type Bytes } from '../src/bytes.js';
import { clientSecret, GROUPS, multiplier, privateKey, scrambler, sha256, SrpClient, verifierOf, type Group, type Hash } from '../src/srp.js';
import { argon2idStretch } from '../src/auth.js';

const hex = (s: string) => BigInt(`0x${s.replace(/\s/g, '')}`);
const sha1: Hash = async (data) => new Uint8Array(await crypto.subtle.digest('SHA-1', data));

const rfc: Group = {
  N: hex(`EEAF0AB9 ADB38DD6 9C33F80A FA8FC5E8 60726187 75FF3C0B 9EA2314C 9C256576 D674DF74 96EA81D3 383B4813 D692C6E0
    E0D5D8E2 50B98BE4 8E495C1D 6089DAD1 5DC7D7B4 6154D6B6 CE8EF4AD 69B15D49 82559B29 7BCF1885 C529F566 660E57EC
    68EDBC3C 05726CC0 2FD4CBF4 976EAA9A FD5138FE 8376435B 9FC61D2F C0EB06E3`),
  g: 2n,
  size: 128,
};
const salt = fromBigInt(hex('BEB25379 D1A8581E B5A72767 3A2441EE'));
const a = hex('60975527 035CF2AD 1989806F 0407210B C81EDC04 E2762A56 AFD529DD DA2D4393');
const b = hex('E487CB59 D31AC550 471E81F0 0F6928E0 1DDA08E9 74A004F4 9E61F5D1 05284D20');

describe('RFC 5054 appendix B', () => {
  it('derives k, x, v, A, B, u and S of the RFC', async () => {
    const k = await multiplier(rfc, sha1);
    expect(k).toBe(hex('7556AA04 5AEF2CDD 07ABAF0F 665C3E81 8913186F'));
    const x = await privateKey(salt, utf8('alice'), utf8('password123'), sha1);
    expect(x).toBe(hex('94B7555A ABE9127C C58CCF49 93DB6CF8 4D16C124'));
    const v = verifierOf(rfc, x);
    expect(v.toString(16).toUpperCase().slice(0, 32)).toBe('7E273DE8696FFC4F4E337D05B4B375BE');
    const A = modPow(rfc.g, a, rfc.N);
    expect(A.toString(16).toUpperCase().slice(0, 32)).toBe('61D5E490F6F1B79547B0704C436F523D');
    const B = (k * v + modPow(rfc.g, b, rfc.N)) % rfc.N;
    expect(B.toString(16).toUpperCase().slice(0, 32)).toBe('BD0C61512C692C0CB6D041FA01BB152D');
    const u = await scrambler(rfc, A, B, sha1);
    expect(u).toBe(hex('CE38B959 3487DA98 554ED47D 70A7AE5F 462EF019'));
    const S = clientSecret(rfc, { a, B, k, u, x });
    expect(S).toBe(
      hex(`B0DC82BA BCF30674 AE450C02 87745E79 90A3381F 63B387AA F271A10D 233861E3 59B48220 F7C4693C 9AE12B0A 6F67809F
        0876E2D0 13800D6C 41BB59B6 D5979B5C 00A172B4 A2A5903A 0BDCAF8A 709585EB 2AFAFA8F 3499B200 210DCC1F 10EB3394
        3CD67FC8 8A2F39A4 BE5BEC4E C0A3212D C346D7E4 74B29EDE 8A469FFE CA686E5A`),
    );
  });
});

describe('the groups', () => {
  it.each(['3072', '4096'])('group %s has its size, is odd, and 5 is no trivial generator', (name) => {
    const { N, g, size } = GROUPS[name]!;
    expect(N.toString(2)).toHaveLength(Number(name));
    expect(size).toBe(Number(name) / 8);
    expect(modPow(2n, N - 1n, N)).toBe(1n); // Fermat
    expect(modPow(2n, (N - 1n) / 2n, N)).toBe(1n); // safe prime: 2 is a square
    expect(g).toBe(5n);
  });
});

/** The server's half, from docs/api.md alone. */
class Server {
  readonly b = hex('E487CB59D31AC550471E81F00F6928E01DDA08E974A004F49E61F5D105284D20');
  readonly group = GROUPS['3072']!;
  B = 0n;
  constructor(
    readonly identity: Bytes,
    readonly salt: Bytes,
    readonly v: bigint,
  ) {}
  async challenge(): Promise<Bytes> {
    const { N, g, size } = this.group;
    const k = toBigInt(await sha256(concat(fromBigInt(N, size), fromBigInt(g, size))));
    this.B = (k * this.v + modPow(g, this.b, N)) % N;
    return fromBigInt(this.B, size);
  }
  async check(A: Bytes, M1: Bytes): Promise<Bytes | null> {
    const { N, g, size } = this.group;
    const u = toBigInt(await sha256(concat(A, fromBigInt(this.B, size))));
    const S = modPow((toBigInt(A) * modPow(this.v, u, N)) % N, this.b, N);
    const K = await sha256(fromBigInt(S, size));
    const hn = await sha256(fromBigInt(N, size));
    const hg = await sha256(fromBigInt(g, size));
    const expected = await sha256(concat(hn.map((x, i) => x ^ hg[i]!), await sha256(this.identity), this.salt, A, fromBigInt(this.B, size), K));
    if (toBase64url(expected) !== toBase64url(M1)) return null;
    return sha256(concat(A, M1, K));
  }
}

describe('a login', () => {
  const identity = utf8('ada');
  const salt16 = fromBase64url('AAECAwQFBgcICQoLDA0ODw');

  async function login(password: string, known: string) {
    const kdf = { name: 'argon2id', memory_kib: 8192, iterations: 1, parallelism: 1 } as const;
    const stored = await argon2idStretch(utf8(known), salt16, kdf);
    const server = new Server(identity, salt16, verifierOf(GROUPS['3072']!, await privateKey(salt16, identity, stored)));
    const client = new SrpClient(GROUPS['3072']!);
    const B = await server.challenge();
    const proof = await client.prove({ identity, password: await argon2idStretch(utf8(password), salt16, kdf), salt: salt16, B });
    return { proof, M2: await server.check(client.publicKey, proof.M1) };
  }

  it('is accepted with the right password, and the server proves itself', async () => {
    const { proof, M2 } = await login('correct horse', 'correct horse');
    expect(M2).not.toBeNull();
    expect(toBase64url(M2!)).toBe(toBase64url(proof.M2));
  });

  it('is refused with a wrong password', async () => {
    expect((await login('correct horse', 'battery staple')).M2).toBeNull();
  });

  it('refuses a B that is zero modulo N', async () => {
    const client = new SrpClient(GROUPS['3072']!);
    const B = fromBigInt(GROUPS['3072']!.N, 384);
    await expect(client.prove({ identity, password: utf8('x'), salt: salt16, B })).rejects.toMatchObject({ code: 'bad-parameters' });
  });
});

describe('Argon2id', () => {
  it('gives the reference implementation’s result', async () => {
    // "password" with "somesalt", t=2, m=2^16 KiB, p=1: a case of src/test.c of the reference implementation
    const out = await argon2idStretch(utf8('password'), utf8('somesalt'), { name: 'argon2id', memory_kib: 65536, iterations: 2, parallelism: 1 });
    expect(Buffer.from(out).toString('hex')).toBe('09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7');
  });
});

describe('bytes', () => {
  it('survive base64url and big integers', () => {
    const bytes = Uint8Array.from([0, 255, 62, 63, 1]);
    expect(fromBase64url(toBase64url(bytes))).toEqual(bytes);
    expect(fromBigInt(toBigInt(bytes), 5)).toEqual(bytes);
    expect(() => fromBase64url('a+b')).toThrow();
  });
});
