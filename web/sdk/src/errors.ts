// One error class for everything the cluster or the client itself can refuse.
// SPDX-License-Identifier: Apache-2.0

/** Errors that arise in the client, beside those of docs/protocol.md and docs/api.md. */
export type ClientErrorCode =
  | 'disconnected' // the socket closed before the answer came
  | 'timeout' // no answer in time
  | 'network' // HTTP could not be reached
  | 'server-proof' // the server did not prove that it knows the verifier
  | 'bad-request' // an argument that is none; the server has it, too
  | 'already-joined' // a room joins once
  | 'too-large' // of a message of room.data
  | 'bad-parameters' // the server asked for parameters below our minimum
  | 'closed'; // the room was closed

export class ConclaveError extends Error {
  override readonly name = 'ConclaveError';
  constructor(
    /** Stable identifier: `docs/protocol.md`, `docs/api.md` or {@link ClientErrorCode}. */
    readonly code: string,
    message: string,
    /** What the server asks us to wait, in ms. */
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

const RETRYABLE = new Set(['disconnected', 'timeout', 'network', 'unavailable', 'rate-limited', 'node-timeout', 'no-node', 'internal']);

/** True when doing the same again later can succeed. */
export function isRetryable(error: unknown): boolean {
  return error instanceof ConclaveError && RETRYABLE.has(error.code);
}

export function codeOf(error: unknown): string {
  return error instanceof ConclaveError ? error.code : 'internal';
}
