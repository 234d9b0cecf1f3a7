import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import type { Platform } from '../../cli/dev/platform.ts';
import { Interrupted } from '../../cli/interrupt.ts';
import { type Screen, watchRun } from '../../cli/watch/watch.ts';
import { Fault } from '../../lib/fault.ts';

const lost = new Fault('SERVER_FAILED', { at: 'temporal', found: 'an end', expected: 'a running server', fix: 'Look' });

const screen: Screen = { show: () => undefined, say: () => undefined, done: () => undefined };

describe('watching a run', () => {
  let server: Server;
  let connection: Connection;
  let platform: Platform;
  const sockets = new Set<Socket>();
  before(async () => {
    // It takes connections and says nothing.
    server = createServer((socket) => sockets.add(socket.on('error', () => undefined))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const temporalAddress = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    connection = Connection.lazy({ address: temporalAddress });
    platform = { client: new Client({ connection }), temporalAddress } as unknown as Platform;
  });
  // A call that were still under way would fail in this moment, and nobody would hear of it but the process.
  after(() => connection.close());

  it('ends at once, and as an interruption, when the user has seen enough and the server does not answer', async () => {
    const controller = new AbortController();
    const watching = watchRun(platform, 'a-run', screen, controller.signal);
    await sleep(300);
    const [began, reason] = [performance.now(), new Interrupted('SIGINT')];
    controller.abort(reason);
    await assert.rejects(watching, (error) => error === reason);
    assert.ok(performance.now() - began < 1_000);
  });

  it('ends with the loss of the server where that comes while it looks', async () => {
    const controller = new AbortController();
    const watching = watchRun(platform, 'a-run', screen, controller.signal);
    await sleep(300);
    server.close();
    for (const socket of sockets) socket.destroy();
    await sleep(100);
    controller.abort(lost);
    await assert.rejects(watching, (error) => error === lost);
  });
});
