// Servers that are wrong in one way each, for clients that must notice. SPDX-License-Identifier: Apache-2.0
import { createSocket } from 'node:dgram';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

import WebSocket, { WebSocketServer } from 'ws';

import { cluster } from './cluster.js';

export interface Fake {
  url: string;
  close(): void;
}

/** A TCP server for raw bytes. */
export function tcpServer(onConnection: (socket: Socket) => void): Promise<Fake> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve({
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        close: () => {
          server.close();
          for (const socket of sockets) socket.destroy();
        },
      }),
    );
  });
}

export interface FakeSignaling {
  /** The answer to POST /v1/guests; by default a token that nobody checks. */
  guests?: (request: IncomingMessage, response: ServerResponse) => void;
  /** Gets the upgraded connection of /ws. */
  socket?: (socket: WebSocket) => void;
  /** Instead: gets the bare connection, before any answer to the upgrade. */
  upgrade?: (socket: Duplex) => void;
}

const anyToken = (_: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify({ access_token: 'a.b.c', expires_in: 600 }));
};

/** authd and signald as far as a client can see, with a mind of their own. */
export function signalingServer({ guests = anyToken, socket, upgrade }: FakeSignaling): Promise<Fake> {
  const sockets = new Set<Duplex>();
  const websockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'conclave.v1' });
  const server = createHttpServer(guests);
  server.on('connection', (raw) => {
    sockets.add(raw);
    raw.on('error', () => undefined);
    raw.on('close', () => sockets.delete(raw));
  });
  server.on('upgrade', (request, raw, head) => {
    raw.on('error', () => undefined);
    if (upgrade) upgrade(raw);
    else
      websockets.handleUpgrade(request, raw, head, (ws) => {
        ws.on('error', () => undefined);
        socket?.(ws);
      });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve({
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        close: () => {
          server.close();
          for (const raw of sockets) raw.destroy();
        },
      }),
    );
  });
}

/** The cluster itself, but for the address of its media: nobody answers there, as behind a closed firewall. */
export async function deafMediaServer(): Promise<Fake & { media: string; datagrams: () => number }> {
  let datagrams = 0;
  const hole = createSocket('udp4');
  hole.on('message', () => (datagrams += 1));
  await new Promise<void>((resolve) => hole.bind(0, '127.0.0.1', resolve));
  const { port } = hole.address();
  const rewrite = (sdp: string) => sdp.replace(/^(a=candidate:\S+ \d+ \S+ \d+) \S+ \d+/gm, `$1 127.0.0.1 ${port}`);
  const fake = await signalingServer({
    guests: (request, response) => {
      const body: Buffer[] = [];
      request.on('data', (chunk) => body.push(chunk));
      request.on('end', async () => {
        const answer = await fetch(`${cluster.url}${request.url}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: Buffer.concat(body),
        });
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
      });
    },
    socket: (client) => {
      const server = new WebSocket(cluster.wsUrl, 'conclave.v1');
      const early: string[] = [];
      client.on('message', (data) => (server.readyState === WebSocket.OPEN ? server.send(data.toString()) : early.push(data.toString())));
      server.on('open', () => early.splice(0).forEach((text) => server.send(text)));
      server.on('message', (data) => {
        const message = JSON.parse(data.toString());
        if (typeof message.sdp === 'string') message.sdp = rewrite(message.sdp);
        client.send(JSON.stringify(message));
      });
      server.on('close', () => client.close());
      server.on('error', () => client.terminate());
      client.on('close', () => server.terminate());
    },
  });
  return {
    url: fake.url,
    media: `127.0.0.1:${port}`,
    datagrams: () => datagrams,
    close: () => {
      hole.close();
      fake.close();
    },
  };
}

/** A port of this machine where nobody listens. */
export async function closedPort(): Promise<number> {
  const fake = await tcpServer(() => undefined);
  fake.close();
  return Number(new URL(fake.url).port);
}
