// Connection quality as 0..4 bars, from the difference of two statistics samples. Pure.
// SPDX-License-Identifier: Apache-2.0

/** 0 no connection, 1 bad … 4 good. */
export type Bars = 0 | 1 | 2 | 3 | 4;

export interface Sample {
  /** seconds; null when unknown */
  rtt: number | null;
  /** 0..1 of the packets of the interval; null when none were expected */
  loss: number | null;
  /** decoded frames per second; null when no video is expected */
  fps?: number | null;
}

export function barsOf({ rtt, loss, fps }: Sample): Bars {
  let bars = 4;
  const worse = (to: number) => (bars = Math.min(bars, to));
  if (rtt !== null) {
    if (rtt > 0.6) worse(1);
    else if (rtt > 0.3) worse(2);
    else if (rtt > 0.15) worse(3);
  }
  if (loss !== null) {
    if (loss > 0.15) worse(1);
    else if (loss > 0.05) worse(2);
    else if (loss > 0.02) worse(3);
  }
  if (fps !== null && fps !== undefined) {
    if (fps < 1) worse(1);
    else if (fps < 8) worse(2);
    else if (fps < 14) worse(3);
  }
  return bars as Bars;
}

/** A score of the server as bars: none is none, one or two are bad, five is all. */
export function barsOfScore(score: number): Bars {
  return (score <= 0 ? 0 : Math.max(1, Math.min(4, Math.round(score) - 1))) as Bars;
}

/** Loss of an interval from cumulative counters. */
export function lossBetween(before: { received: number; lost: number }, after: { received: number; lost: number }): number | null {
  const received = after.received - before.received;
  const lost = Math.max(0, after.lost - before.lost);
  if (received < 0 || received + lost <= 0) return null;
  return lost / (received + lost);
}
