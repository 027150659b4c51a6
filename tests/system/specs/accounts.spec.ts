// Accounts: the password never leaves the browser; a wrong one gets a clear answer.
// SPDX-License-Identifier: Apache-2.0
import { expect, test } from '@playwright/test';

import { launchChromium } from '../lib/browser.js';
import { cluster, freshRoom } from '../lib/cluster.js';

const username = `ada-${Date.now().toString(36)}`;
const password = 'correct horse battery staple';

test('an account is made, a wrong password is refused, the right one signs in', async () => {
  const browser = await launchChromium();
  const page = await (await browser.newContext()).newPage();
  const bodies: string[] = [];
  page.on('request', (r) => bodies.push(`${r.url()} ${r.postData() ?? ''}`));
  await page.goto(cluster.url);
  await page.getByTestId('tab-up').click();
  await page.getByTestId('username').fill(username);
  await page.getByTestId('password').fill(password);
  await page.getByTestId('account-submit').click();
  await expect(page.getByTestId('account-name')).toContainText(username);
  await page.getByTestId('sign-out').click();

  await page.getByTestId('tab-in').click();
  await page.getByTestId('username').fill(username);
  await page.getByTestId('password').fill('wrong password');
  const refused = page.waitForResponse((r) => r.url().endsWith('/v1/login/finish'));
  await page.getByTestId('account-submit').click();
  await expect(page.getByTestId('form-error')).toBeVisible();
  expect((await refused).status()).toBe(401);
  expect(await (await refused).json()).toMatchObject({ error: 'bad-credentials', status: 401 });
  await page.getByTestId('password').fill(password);
  await page.getByTestId('account-submit').click();
  await expect(page.getByTestId('account-name')).toContainText(username);
  expect(bodies.join('\n')).not.toContain(password);

  await page.reload();
  await expect(page.getByTestId('account-name'), 'the session survives a reload').toContainText(username);
  expect(await page.evaluate(() => document.cookie), 'scripts cannot read the refresh token').not.toContain('conclave_refresh');
  await page.getByTestId('home-room').fill(freshRoom('lobby'));
  await page.getByTestId('home-continue').click();
  await page.getByTestId('join-button').click();
  await page.waitForFunction(() => window.conclave?.room?.connection === 'connected');
  await browser.close();
});

test('unknown users are answered like known ones', async () => {
  const start = async (name: string) => {
    const response = await fetch(`${cluster.url}/v1/login/start`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: name, A: Buffer.alloc(384, 7).toString('base64url') }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, string> };
  };
  const known = await start(username);
  const unknown = await start(`nobody-${username}`);
  expect(unknown.status).toBe(known.status);
  expect(Object.keys(unknown.body).sort()).toEqual(Object.keys(known.body).sort());
  expect(unknown.body.salt!.length).toBe(known.body.salt!.length);
  expect(unknown.body.kdf).toEqual(known.body.kdf);
  expect((await start(`nobody-${username}`)).body.salt, 'the same salt each time, as a real user has').toBe(unknown.body.salt);
});
