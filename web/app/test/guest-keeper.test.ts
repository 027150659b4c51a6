// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from 'vitest';
import { GuestKeeper } from '../src/guest-keeper';

/** A page whose life the test ends. */
const newPage = () => new EventTarget() as unknown as Window;

describe('the guest of a tab', () => {
  beforeEach(() => sessionStorage.clear());
  const ada = { name: 'Ada', refreshToken: 'r1' };

  it('is found again after a reload, with the newest token', () => {
    const page = newPage();
    const keeper = new GuestKeeper(sessionStorage, page);
    keeper.keep(ada);
    keeper.keep({ ...ada, refreshToken: 'r2' });
    page.dispatchEvent(new Event('pagehide'));
    expect(new GuestKeeper(sessionStorage, newPage()).kept).toEqual({ name: 'Ada', refreshToken: 'r2' });
  });

  it('is not copied into a duplicated tab', () => {
    new GuestKeeper(sessionStorage, newPage()).keep(ada);
    expect(sessionStorage).toHaveLength(0);
    expect(new GuestKeeper(sessionStorage, newPage()).kept).toBeNull();
  });

  it('leaves the storage again when the page comes back from the cache', () => {
    const page = newPage();
    const keeper = new GuestKeeper(sessionStorage, page);
    keeper.keep(ada);
    page.dispatchEvent(new Event('pagehide'));
    page.dispatchEvent(new Event('pageshow'));
    expect(sessionStorage).toHaveLength(0);
    expect(keeper.kept).toEqual(ada);
  });

  it('is nobody when the storage holds nonsense', () => {
    sessionStorage.setItem('conclave-guest', '{"name":1');
    expect(new GuestKeeper(sessionStorage, newPage()).kept).toBeNull();
  });
});
