// Errors as sentences for people.
// SPDX-License-Identifier: Apache-2.0
import { ConclaveError } from '@conclave/sdk';

const SENTENCES: Record<string, string> = {
  'bad-credentials': 'The user name or the password is wrong.',
  'login-expired': 'Signing in took too long. Please try again.',
  'username-taken': 'This user name is taken. Please choose another.',
  'bad-username': 'This user name cannot be used. Letters, digits, dots and dashes are fine.',
  'guests-disabled': 'This server does not admit guests. Please sign in.',
  'bad-name': 'This name cannot be used. Please choose another.',
  'bad-text': 'This message cannot be sent.',
  'bad-room-name': 'This room name cannot be used.',
  'room-full': 'The room is full.',
  forbidden: 'You are not allowed to do that.',
  'not-found': 'That participant is no longer here.',
  'rate-limited': 'That was too fast. Please wait a moment.',
  unavailable: 'The server cannot take changes right now. Please try again in a moment.',
  'no-node': 'No media server is free right now. Please try again in a moment.',
  'node-timeout': 'The media server did not answer. Please try again.',
  'refresh-expired': 'Your session has ended. Please sign in again.',
  'refresh-reused': 'Your session has ended. Please sign in again.',
  'server-proof': 'The server could not prove its identity. You were not signed in.',
  disconnected: 'The connection is broken. Your message was not sent.',
  timeout: 'The server did not answer in time. Please try again.',
};

/** Why joining is tried again. */
export function joinSentence(error: ConclaveError): string {
  switch (error.code) {
    case 'network':
      return 'The server cannot be reached. Trying again…';
    case 'no-node':
      return 'No media server is free right now. Trying again…';
    case 'node-timeout':
      return 'The media server does not answer. Trying again…';
    case 'rate-limited':
      return 'The server is busy. Trying again…';
    default:
      return 'The server cannot take you in right now. Trying again…';
  }
}

export function sentence(error: unknown): string {
  if (error instanceof ConclaveError) return SENTENCES[error.code] ?? error.message;
  return error instanceof Error && error.message ? error.message : 'Something went wrong. Please try again.';
}

/** What getUserMedia and getDisplayMedia refuse. Null when the person only cancelled a screen share. */
export function deviceSentence(error: unknown, what: string): string | null {
  const name = error instanceof DOMException ? error.name : '';
  switch (name) {
    case 'NotAllowedError':
      return what === 'screen' ? null : `The browser may not use your ${what}. Allow it next to the address bar, then try again.`;
    case 'NotFoundError':
    case 'OverconstrainedError':
      return `No ${what} was found.`;
    case 'NotReadableError':
      return `Your ${what} is in use by another program.`;
    case 'SecurityError':
      return 'Camera and microphone need a page loaded over HTTPS.';
    default:
      return `Your ${what} could not be started.`;
  }
}
