// A browser that may only use TURN, as behind a strict firewall: media goes through coturn.
// SPDX-License-Identifier: Apache-2.0
import { expect, test } from '@playwright/test';

import { Caller } from '../lib/caller.js';
import { freshRoom } from '../lib/cluster.js';

function relayOnly(): void {
  const relay = (c?: RTCConfiguration): RTCConfiguration => ({ ...c, iceTransportPolicy: 'relay' });
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration?: RTCConfiguration) {
      super(relay(configuration));
    }
    override setConfiguration(configuration?: RTCConfiguration): void {
      super.setConfiguration(relay(configuration));
    }
  };
}

test('a browser that may only use a relay sees and is seen', async () => {
  const room = freshRoom('turn');
  const direct = await Caller.join(room, 'Direct', { query: 'res=360' });
  const relayed = await Caller.join(room, 'Relayed', { query: 'res=360', before: relayOnly });
  await relayed.expectMediaOf('Direct');
  await direct.expectMediaOf('Relayed');
  expect((await relayed.stats()).transport.localCandidate).toContain('relay');
  expect((await direct.stats()).transport.localCandidate).not.toContain('relay');
  await Promise.all([direct, relayed].map((c) => c.close()));
});
