// The bot client beside browsers, against servers that are well, hurt and wrong, and against itself.
// SPDX-License-Identifier: Apache-2.0
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect, test } from '@playwright/test';

import { Bots, type Ended, killBots, sets, toneHz } from '../lib/bots.js';
import { Caller } from '../lib/caller.js';
import { cluster, freshRoom } from '../lib/cluster.js';
import { closedPort, deafMediaServer, type Fake, signalingServer, tcpServer } from '../lib/fake.js';
import { decoderOf, type Glance, glances, keepPeerConnections, toneOf } from '../lib/senses.js';

const SMOKE = 'loadtest/scenarios/smoke.yaml';

/** The media path of sfud is all that differs between the sessions of tools/test.py; of bots, smoke will tell. */
const everything = process.env.CONCLAVE_IO !== 'epoll';

test.afterAll(killBots);

test('smoke: everybody hears and sees everybody, the objectives hold, the exit status is 0', async () => {
  const ended = await Bots.run(SMOKE, ['--url', cluster.url, '--cluster', cluster.data, ...sets({ duration: '3s' })]);
  expect(ended, ended.stdout).toMatchObject({ status: 0, result: { verdict: 'passed', slo: { passed: true } } });
  const { joins, audio, video, errors, servers } = ended.result!;
  expect(joins).toMatchObject({ wanted: 6, joined: 6, failed: 0 });
  expect(audio.pairs).toMatchObject({ expected: 20, heard: 20, missing_count: 0, unexpected: 0 });
  expect(audio.tones).toMatchObject({ wrong: 0, silent: 0 });
  expect(audio.tones.right).toBeGreaterThan(0);
  expect(video.pairs).toMatchObject({ expected: 20, shown: 20, missing_count: 0, unexpected: 0 });
  expect(errors).toMatchObject({ srtp_authentication: 0, srtp_replay: 0, malformed: 0 });
  const daemons = servers.filter((s: { pid: number | null }) => s.pid !== null).map((s: { name: string }) => s.name);
  expect(daemons).toEqual(expect.arrayContaining(['authd-1', 'sfud-1', 'sfud-2', 'signald-1', 'signald-2']));
});

if (everything) {
  test.describe('30 bots and 2 browsers in one room', () => {
    const prefix = freshRoom('bots');
    const room = `${prefix}-1`;
    const codecs = ['video/VP8', 'video/VP9', 'video/H264', 'video/AV1'];
    const camera = (bot: number) => `cameras-${bot + 1} (bot ${bot})`;
    const speaker = { bot: 4, name: 'speaker-1 (bot 4)' };
    const chaosLog = path.join(tmpdir(), `conclave-${prefix}`);
    const scenario = `
name: browsers
room-prefix: ${prefix}
joins: 20/s
settle: 2s
duration: 10min
groups:
  cameras: { bots: 4, video: mixed, layers: [180, 360], audio-slots: 4, video-slots: 4, listen: 100% }
  speaker: { bots: 1, talk: always, audio-slots: 4, video-slots: 2 }
  people: { bots: 25, audio-slots: 4, video-slots: 2, listen: 100% }
chaos:
  pretend: { at: 1s, run: "echo broken >>${chaosLog}", undo-after: 9min, undo: "echo mended >>${chaosLog}" }
`;
    let ada: Caller, ben: Caller, bots: Bots;

    test.describe.configure({ mode: 'serial' });

    test.beforeAll(async () => {
      ada = await Caller.join(room, 'Ada', { query: 'res=180', before: keepPeerConnections });
      ben = await Caller.join(room, 'Ben', { query: 'res=180', before: keepPeerConnections });
      bots = Bots.start(scenario, ['--url', cluster.url, '--chaos'], { timeout: 110_000, words: true });
      for (const bot of codecs.keys()) await expect(ada.tile(camera(bot))).toHaveAttribute('data-camera', 'on');
    });

    test.afterAll(async () => {
      killBots();
      rmSync(chaosLog, { force: true });
      await Promise.all([ada, ben].map((c) => c?.close()));
    });

    /** From now on this page asks for the bots' cameras in this height, and for nothing else. */
    const ask = (viewer: Caller, height: number) =>
      viewer.page.evaluate(
        ({ h, names }) => {
          const { room } = window.conclave;
          const wanted = [...room.participants.values()].filter((p: { name: string }) => names.includes(p.name));
          room.setView = () => undefined;
          Object.getPrototypeOf(room).setView.call(
            room,
            wanted.map((p: { id: string }) => ({ participant: p.id, source: 'camera', width: (h * 16) / 9, height: h })),
          );
        },
        { h: height, names: [...codecs.keys()].map(camera) },
      );

    test('the browsers decode the camera of each codec, in the size that they ask for, in all its colours', async () => {
      await Promise.all([ask(ada, 360), ask(ben, 180)]);
      for (const [bot, codec] of codecs.entries()) {
        for (const [viewer, width, height] of [[ada, 640, 360], [ben, 320, 180]] as const) {
          await expect.poll(() => decoderOf(viewer, camera(bot)), { message: `${viewer.name} decodes ${codec}` }).toMatchObject({ codec, width, height });
        }
      }
      const looked = await Promise.all([ada, ben].flatMap((viewer) => [...codecs.keys()].map(async (bot) => {
        const before = (await decoderOf(viewer, camera(bot)))!.framesDecoded;
        const seen = await glances(viewer, camera(bot), 10, 200);
        const after = (await decoderOf(viewer, camera(bot)))!.framesDecoded;
        return { who: `${viewer.name} of ${codecs[bot]}`, viewer, seen, frames: after - before };
      })));
      console.log(looked.map(({ who, seen, frames }) => `${who}: ${frames} frames, hues ${seen.map(({ hue }) => hue.toFixed()).join(' ')}`).join('\n'));
      for (const { who, viewer, seen, frames } of looked) expectColours(who, seen, frames, viewer === ada ? 360 : 180);
    });

    test('the browsers hear the tone of the bot that speaks', async () => {
      for (const listener of [ada, ben]) {
        await expect
          .poll(async () => Math.abs(((await toneOf(listener, speaker.name))?.hz ?? 0) - toneHz(speaker.bot)), { message: `${listener.name} hears ${toneHz(speaker.bot)} Hz` })
          .toBeLessThan(10);
      }
      const tone = (await toneOf(ada, speaker.name))!;
      console.log(`heard of bot ${speaker.bot}: ${tone.hz.toFixed(1)} Hz, ${tone.prominence.toFixed()} dB above the rest`);
      expect(tone.prominence).toBeGreaterThan(30);
      expect(await toneOf(ada, camera(0)), 'one who does not speak').toBeUndefined();
    });

    test('the bots receive the browsers, and each other; SIGINT ends them with a report, and undoes what they broke', async () => {
      // A word every five seconds: the second one of the plateau has at least five seconds of it behind it.
      await expect.poll(() => bots.stderr.match(/plateau: 30 of 30 bots/g)?.length ?? 0, { timeout: 30_000 }).toBeGreaterThan(1);
      const asked = Date.now();
      bots.child.kill('SIGINT');
      const ended = await bots.ended;
      expect(Date.now() - asked).toBeLessThan(10_000);
      expect(ended, ended.stdout).toMatchObject({ status: 130, result: { verdict: 'interrupted' } });
      expect(ended.stdout).toContain('INTERRUPTED');
      expect(readFileSync(chaosLog, 'utf8')).toBe('broken\nmended\n');
      const { joins, audio, video, errors, others } = ended.result!;
      expect(joins).toMatchObject({ wanted: 30, joined: 30 });
      expect(others).toEqual({ publishers: 60, voices_heard: 60, cameras_shown: 60 });
      expect(audio.pairs).toMatchObject({ expected: 29, heard: 29, missing_count: 0, unexpected: 0 });
      expect(audio.tones).toMatchObject({ wrong: 0 });
      expect(audio.tones.right).toBeGreaterThan(0);
      expect(video.pairs).toMatchObject({ missing_count: 0, unexpected: 0 });
      expect(errors).toMatchObject({ srtp_authentication: 0, srtp_replay: 0, malformed: 0 });
    });

    /** The clips: a scrolling pattern, and in the middle a box that goes through all hues in two seconds. */
    function expectColours(who: string, seen: Glance[], frames: number, height: number): void {
      expect(frames, `${who}: frames in two seconds`).toBeGreaterThan(15);
      expect(seen, who).toHaveLength(10);
      for (const glance of seen) {
        expect(glance, who).toMatchObject({ height, width: (height * 16) / 9 });
        expect(glance.deviation, `${who}: a picture`).toBeGreaterThan(20);
        expect(glance.saturation, `${who}: a coloured box`).toBeGreaterThan(0.5);
      }
      const hues = new Set(seen.map(({ hue }) => Math.floor(hue / 60)));
      expect(hues.size, `${who}: hues ${seen.map(({ hue }) => hue.toFixed()).join(' ')}`).toBeGreaterThan(3);
    }
  });

  test.describe('objectives and options decide the exit status', () => {
    const small = ['--url', cluster.url, ...sets({ 'groups.people.bots': 1, 'groups.viewers.bots': 1, settle: '0s', duration: '2s' })];

    test('1: an objective is broken', async () => {
      const ended = await Bots.run(SMOKE, [...small, '--slo', 'latency_p99<1us,loss<50%']);
      expect(ended, ended.stdout).toMatchObject({ status: 1, result: { verdict: 'failed', slo: { passed: false } } });
      expect(ended.result!.slo.terms).toMatchObject([{ metric: 'latency_p99', passed: false }, { metric: 'loss', passed: true }]);
      expect(ended.result!.verdict_reasons.join()).toContain('latency_p99<1us');
    });

    test('64: what cannot be understood is refused at once, and says what is meant', async () => {
      const wrong: [RegExp, string, string[]][] = [
        [/line 4: .*botz.*did you mean 'bots'/s, 'name: x\ngroups:\n  a:\n    botz: 3\n', []],
        [/groups\.people\.bogus: unknown key/, SMOKE, ['--set', 'groups.people.bogus=1']],
        [/"loss" is not metric/, SMOKE, ['--slo', 'loss']],
        [/there are conclave, janus/, SMOKE, ['--driver', 'skype']],
        [/must begin with http/, SMOKE, ['--url', 'localhost:8080']],
        [/allow it with --chaos/, 'loadtest/scenarios/chaos.yaml', []],
        [/nothing\.yaml: No such file/, 'nothing.yaml', []],
        [/nowhere\/x\.html: No such file/, SMOKE, ['--html', '/nowhere/x.html']],
        [/no running cluster in/, SMOKE, ['--cluster', '/nowhere']],
      ];
      for (const [message, scenario, args] of wrong) {
        const ended = await Bots.run(scenario, args, { timeout: 10_000 });
        expect(ended).toMatchObject({ status: 64, result: undefined, stderr: expect.stringMatching(message) });
      }
    });
  });

  test.describe('servers that cannot be used: status 69, a message that says why, and no hang', () => {
    const fakes: Fake[] = [];
    const made = async <F extends Fake>(fake: Promise<F>): Promise<F> => {
      fakes.push(await fake);
      return fake;
    };
    let deaf: Awaited<ReturnType<typeof deafMediaServer>>;
    let unreachable: Promise<Ended>;

    test.beforeAll(async () => {
      deaf = await made(deafMediaServer());
      unreachable = attempt(deaf.url, ...sets({ 'join-timeout': '20s' })); // takes ten seconds, of which others make use
    });

    test.afterAll(() => fakes.forEach((fake) => fake.close()));

    /** Two bots that give up after three seconds. */
    const attempt = (url: string, ...args: string[]) =>
      Bots.run(SMOKE, ['--url', url, ...sets({ 'groups.people.bots': 1, 'groups.viewers.bots': 1, 'join-timeout': '3s' }), '--threads', '1', ...args], { timeout: 25_000 });

    const expectFailure = (ended: Ended, stage: string | RegExp, error: string | RegExp, message: string | RegExp) => {
      expect(ended, ended.stdout + ended.stderr).toMatchObject({ status: 69, signal: null, result: { verdict: 'failed', tester: { saturated: false } } });
      expect(ended.result!.joins).toMatchObject({ wanted: 2, joined: 0, failed: 2 });
      const [failure] = ended.result!.joins.failures;
      expect(failure).toMatchObject({
        stage: expect.stringMatching(stage),
        error: expect.stringMatching(error),
        message: expect.stringMatching(message),
        count: 2,
      });
      expect(ended.stdout).toContain(failure.message);
      expect(ended.ms).toBeLessThan(20_000);
    };

    test('nobody is there, or not by that name; the token is refused', async () => {
      const port = await closedPort();
      const [refused, unknown, token] = await Promise.all([
        attempt(`http://127.0.0.1:${port}`),
        attempt('http://no-such-host.invalid'),
        attempt(cluster.url, '--token', 'nonsense'),
      ]);
      expectFailure(refused, 'token', 'refused', new RegExp(`127\\.0\\.0\\.1:${port}.*refused`));
      expectFailure(unknown, 'token', /./, /no-such-host\.invalid/);
      expectFailure(token, 'join', 'bad-token', /./);
    });

    test('servers that are silent, hang up, or talk nonsense', async () => {
      const random = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) % 251));
      const cases: [string, Promise<Fake>, string | RegExp, RegExp][] = [
        ['accepts and is silent', tcpServer(() => undefined), 'token', /^timeout$/],
        ['hangs up at once', tcpServer((socket) => socket.destroy()), 'token', /./],
        ['answers HTTP with garbage', tcpServer((socket) => socket.end(random)), 'token', /^not-http$/],
        ['refuses guests', signalingServer({ guests: (_, r) => r.writeHead(503).end('busy') }), 'token', /^http-503$/],
        ['has no token in its answer', signalingServer({ guests: (_, r) => r.writeHead(201).end('[]') }), 'token', /^bad-token-answer$/],
        ['leaves the upgrade unanswered', signalingServer({ upgrade: () => undefined }), 'websocket', /^timeout$/],
        ['refuses the upgrade', signalingServer({ upgrade: (s) => s.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n') }), 'websocket', /^http-404$/],
        ['answers the upgrade with garbage', signalingServer({ upgrade: (s) => s.end(random) }), 'websocket', /./],
        ['hangs up on the upgrade', signalingServer({ upgrade: (s) => s.destroy() }), 'websocket', /./],
        ['never says anything', signalingServer({}), 'join', /^timeout$/],
        ['closes politely at once', signalingServer({ socket: (ws) => ws.close(1001) }), /./, /^closed$/],
        ['breaks off at once', signalingServer({ socket: (ws) => ws.terminate() }), /./, /./],
        ['sends text that is not JSON', signalingServer({ socket: (ws) => ws.send('hello?') }), 'join', /^timeout$/],
        ['sends binary', signalingServer({ socket: (ws) => ws.send(random) }), 'join', /./],
        ['sends 2 MiB', signalingServer({ socket: (ws) => ws.send('x'.repeat(2 << 20)) }), 'join', /./],
        ['joins without a description', answering((id) => ({ op: 'joined', id, participant: 'p' })), /./, /^bad-sdp$/],
        ['joins with a nonsensical one', answering((id) => ({ op: 'joined', id, participant: 'p', sdp: 'v=0\r\nm=x' })), /./, /^bad-sdp$/],
        ['refuses the join', answering((id) => ({ op: 'error', id, error: 'room-full', message: 'the room is full' })), 'join', /^room-full$/],
      ];
      const ended = await Promise.all(cases.map(async ([, fake]) => attempt((await made(fake)).url)));
      cases.forEach(([what, , stage, error], i) => {
        test.info().annotations.push({ type: what, description: JSON.stringify(ended[i]!.result?.joins.failures) });
        expectFailure(ended[i]!, stage, error, /./);
      });
    });

    test('a media address that never answers is named', async () => {
      expectFailure(await unreachable, 'ice', 'no-answer', deaf.media);
      expect(deaf.datagrams(), 'checks were sent there').toBeGreaterThan(5);
    });

    const answering = (answer: (id: number) => object): Promise<Fake> =>
      signalingServer({
        socket: (ws) => ws.on('message', (data) => ws.send(JSON.stringify(answer(JSON.parse(data.toString()).id)))),
      });
  });

  test('chaos: a signald is killed and Redis hangs; the report names who was hit, and media went on', async () => {
    const dev = (words: string, name: string) => `./dev ${words} --data ${cluster.data} ${name}`;
    try {
      const ended = await Bots.run('loadtest/scenarios/chaos.yaml', [
        ...['--url', cluster.url, '--cluster', cluster.data, '--chaos'],
        ...sets({ rooms: 2, 'groups.speakers.bots': 2, 'groups.listeners.bots': 4, settle: '1s', duration: '11s' }),
        ...sets({ 'chaos.kill-signald.at': '1s', 'chaos.kill-signald.undo-after': '2s' }),
        ...sets({ 'chaos.kill-signald.run': dev('stop --kill', 'signald-1'), 'chaos.kill-signald.undo': dev('start', 'signald-1') }),
        ...sets({ 'chaos.pause-redis.at': '5s', 'chaos.pause-redis.undo-after': '4s' }),
        ...sets({ 'chaos.pause-redis.run': dev('pause', 'redis'), 'chaos.pause-redis.undo': dev('unpause', 'redis') }),
      ]);
      expect(ended.result, ended.stdout + ended.stderr).toBeDefined();
      const { joins, chaos, audio, video, servers, verdict } = ended.result!;
      expect(joins).toMatchObject({ wanted: 12, joined: 12 });
      expect(chaos).toMatchObject([
        { name: 'kill-signald', kind: 'command', exit_status: 0, signaling: { never: 0 } },
        { name: 'pause-redis', kind: 'command', exit_status: 0, signaling: { never: 0 } },
      ]);
      const [kill, pause] = chaos;
      expect(kill.signaling.lost, 'haproxy gives each signald its share').toBeGreaterThan(2);
      expect(kill.signaling.resumed).toBe(kill.signaling.lost);
      expect(kill.signaling.bots).toHaveLength(kill.signaling.lost);
      for (const bot of kill.signaling.bots) {
        expect(bot).toMatchObject({ server: 'signald-1', how: 'resumed', name: expect.stringMatching(/^(speakers|listeners)-\d+ \(bot \d+\)$/) });
        expect(bot.at_s).toBeGreaterThanOrEqual(kill.at_s);
        expect(bot.ms).toBeLessThan(10_000);
      }
      expect(pause.until_s - pause.at_s, 'Redis stood still').toBeGreaterThan(3.9);
      console.log(`signald killed: ${kill.signaling.lost} of 12 bots resumed, the slowest after ${Math.max(...kill.signaling.bots.map((b: { ms: number }) => b.ms))} ms`);
      for (const { name, media } of chaos) {
        expect(media.bots, `${name}: breaks of 200 ms and more`).toEqual([]);
        expect(media).toMatchObject({ streams: 2 * (4 * 2 + 2 * 1) * 2, untouched: media.streams, hit: 0 });
      }
      expect(audio.pairs).toMatchObject({ missing_count: 0, unexpected: 0 });
      expect(video.pairs).toMatchObject({ missing_count: 0, unexpected: 0 });
      expect(servers).toContainEqual(expect.objectContaining({ name: 'signald-1', restarted: true }));
      expect(servers).toContainEqual(expect.objectContaining({ name: 'signald-2', restarted: false }));
      expect(ended.stdout).toMatch(new RegExp(`resumed: ${kill.signaling.bots[0].name.split(' ')[0]} `));
      expect([verdict, ended.status]).toEqual(['passed', 0]);
    } finally {
      await cluster.dev('unpause', 'redis');
      for (const service of cluster.services()) if (service.state === 'stopped') await cluster.dev('start', service.name);
    }
    await expect.poll(() => cluster.services().every(({ state }) => state === 'ready')).toBe(true);
  });

  test('servers that stop answering in the middle: the run ends in time, and the report says for how long', async () => {
    const servers = 'sfud-1 sfud-2 signald-1 signald-2';
    const scenario = `
name: hang
settle: 1s
duration: 6s
slo: media_untouched>=99%,freeze_ratio<10%
groups:
  people: { bots: 3, talk: always, video: vp8, layers: [180], audio-slots: 3, video-slots: 3 }
chaos:
  hang: { at: 2s, run: "./dev pause --data ${cluster.data} ${servers}", undo-after: 4s, undo: "./dev unpause --data ${cluster.data} ${servers}" }
`;
    const ended = await Bots.run(scenario, ['--url', cluster.url, '--chaos'], { timeout: 30_000 });
    expect(ended, ended.stdout + ended.stderr).toMatchObject({ status: 1, result: { verdict: 'failed', slo: { passed: false } } });
    const { chaos, audio, video, seconds } = ended.result!;
    expect(seconds.total).toBeLessThan(20);
    expect(chaos).toMatchObject([{ name: 'hang', exit_status: 0, media: { streams: 12, hit: 12, untouched: 0 } }]);
    for (const { longest_ms } of [audio.gaps, video.freezes]) expect(longest_ms).toBeGreaterThan(3000);
    expect(ended.stdout).toMatch(/0 of 12 streams went on untouched, 12 interrupted/);
    await expect.poll(() => cluster.services().every(({ state }) => state === 'ready')).toBe(true);
  });

  test('a tester that gets a third of a CPU says that it is the bottleneck', async () => {
    const bots = Bots.start(SMOKE, ['--url', cluster.url, ...sets({ settle: '1s', duration: '3s' })]);
    const quota = setInterval(() => {
      bots.child.kill('SIGSTOP');
      setTimeout(() => bots.child.kill('SIGCONT'), 60);
    }, 90);
    const ended = await bots.ended.finally(() => clearInterval(quota));
    expect(ended, ended.stdout).toMatchObject({ status: 2, result: { verdict: 'saturated', tester: { saturated: true } } });
    console.log(`saturated: ${ended.result!.tester.reasons.join('; ')}`);
    expect(ended.result!.tester.reasons.length).toBeGreaterThan(0);
    expect(ended.result!.verdict_reasons[0]).toContain('the tester was saturated');
    expect(ended.stdout).toContain('THE TESTER WAS SATURATED');
  });
}
