// SRP-6a (RFC 5054, RFC 2945) as docs/api.md fixes it: the client's half, and the verifier for registration.
// Pure but for the hash, which is asynchronous. BigInt is not constant time; the secrets live for one login.
// SPDX-License-Identifier: Apache-2.0
import { concat, equalBytes, fromBigInt, modPow, toBigInt, utf8, type Bytes } from './bytes.js';
import { ConclaveError } from './errors.js';

export interface Group {
  readonly N: bigint;
  readonly g: bigint;
  /** Length of N in bytes, to which PAD() fills. */
  readonly size: number;
}

const N3072 =
  'FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD' +
  'EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED' +
  'EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F' +
  '83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B' +
  'E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510' +
  '15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7' +
  'ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C' +
  'BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF';

const N4096 =
  'FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD' +
  'EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED' +
  'EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F' +
  '83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B' +
  'E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510' +
  '15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7' +
  'ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C' +
  'BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A92108011A723C12A787E6D7' +
  '88719A10BDBA5B2699C327186AF4E23C1A946834B6150BDA2583E9CA2AD44CE8DBBBC2DB04DE8EF92E8EFC141FBECAA6' +
  '287C59474E6BC05D99B2964FA090C3A2233BA186515BE7ED1F612970CEE2D7AFB81BDD762170481CD0069127D5B05AA9' +
  '93B4EA988D8FDDC186FFB7DC90A6C08F4DF435C934063199FFFFFFFFFFFFFFFF';

const group = (hex: string, g: bigint): Group => ({ N: BigInt(`0x${hex}`), g, size: hex.length / 2 });

/** RFC 5054, appendix A. */
export const GROUPS: Readonly<Record<string, Group>> = { '3072': group(N3072, 5n), '4096': group(N4096, 5n) };

export type Hash = (data: Bytes) => Promise<Bytes>;

export const sha256: Hash = async (data) => new Uint8Array(await crypto.subtle.digest('SHA-256', data));

const pad = (n: bigint, { size }: Group) => fromBigInt(n, size);

/** k = H(N | PAD(g)) */
export async function multiplier(group: Group, hash: Hash = sha256): Promise<bigint> {
  return toBigInt(await hash(concat(pad(group.N, group), pad(group.g, group))));
}

/** x = H(salt | H(I | ":" | P)) */
export async function privateKey(salt: Bytes, identity: Bytes, password: Bytes, hash: Hash = sha256): Promise<bigint> {
  return toBigInt(await hash(concat(salt, await hash(concat(identity, utf8(':'), password)))));
}

/** v = g^x mod N */
export const verifierOf = (group: Group, x: bigint): bigint => modPow(group.g, x, group.N);

/** u = H(PAD(A) | PAD(B)) */
export async function scrambler(group: Group, A: bigint, B: bigint, hash: Hash = sha256): Promise<bigint> {
  return toBigInt(await hash(concat(pad(A, group), pad(B, group))));
}

/** S = (B − k·g^x) ^ (a + u·x) mod N */
export function clientSecret(group: Group, p: { a: bigint; B: bigint; k: bigint; u: bigint; x: bigint }): bigint {
  const { N, g } = group;
  const base = (((p.B - p.k * modPow(g, p.x, N)) % N) + N) % N;
  return modPow(base, p.a + p.u * p.x, N);
}

export interface Proof {
  M1: Bytes;
  /** What the server must answer. */
  M2: Bytes;
}

/** M1 = H(H(N) xor H(PAD(g)) | H(I) | salt | PAD(A) | PAD(B) | K), M2 = H(PAD(A) | M1 | K), K = H(PAD(S)) */
export async function proofOf(group: Group, p: { identity: Bytes; salt: Bytes; A: bigint; B: bigint; S: bigint }, hash: Hash = sha256): Promise<Proof> {
  const K = await hash(pad(p.S, group));
  const hn = await hash(pad(group.N, group));
  const hg = await hash(pad(group.g, group));
  const mixed = hn.map((byte, i) => byte ^ hg[i]!);
  const A = pad(p.A, group);
  const M1 = await hash(concat(mixed, await hash(p.identity), p.salt, A, pad(p.B, group), K));
  return { M1, M2: await hash(concat(A, M1, K)) };
}

/** One login. `a` is for tests; by default 256 random bits. */
export class SrpClient {
  readonly A: bigint;
  readonly #a: bigint;

  constructor(
    readonly group: Group,
    a?: bigint,
  ) {
    this.#a = a ?? toBigInt(crypto.getRandomValues(new Uint8Array(32)));
    this.A = modPow(group.g, this.#a, group.N);
  }

  get publicKey(): Bytes {
    return pad(this.A, this.group);
  }

  /** Throws `bad-parameters` when the server's B or the scrambler would void the proof (RFC 5054, 2.5.3). */
  async prove(p: { identity: Bytes; password: Bytes; salt: Bytes; B: Bytes }): Promise<Proof> {
    const B = toBigInt(p.B);
    if (B % this.group.N === 0n) throw new ConclaveError('bad-parameters', 'The server sent an invalid key.');
    const [k, u, x] = await Promise.all([multiplier(this.group), scrambler(this.group, this.A, B), privateKey(p.salt, p.identity, p.password)]);
    if (u === 0n) throw new ConclaveError('bad-parameters', 'The server sent an invalid key.');
    const S = clientSecret(this.group, { a: this.#a, B, k, u, x });
    return proofOf(this.group, { identity: p.identity, salt: p.salt, A: this.A, B, S });
  }
}

export const sameProof = equalBytes;
