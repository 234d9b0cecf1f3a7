import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const COMMAND = fileURLToPath(new URL('../../cli/samflow.mjs', import.meta.url));

/** Listens, so that its port is nobody else's, and answers every request with an empty 200: enough for a bucket to exist. */
async function openServer(): Promise<{ server: Server; address: string }> {
  const server = createServer((_, response) => response.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe('a worker that is told to stop before it has connected', () => {
  let folder: string;
  let server: Server;
  let here: string;
  let nowhere: string;
  let child: ChildProcess | undefined;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'samflow-worker-'));
    ({ server, address: here } = await openServer());
    // A port that was free a moment ago: nobody answers there.
    const closed = await openServer();
    nowhere = closed.address;
    closed.server.close();
  });
  after(async () => {
    child?.kill('SIGKILL');
    server.close();
    await rm(folder, { recursive: true });
  });

  const CASES: [claim: string, pool: string, s3: () => string, waitsFor: RegExp][] = [
    ['the object store is down', 'io', () => nowhere, /waiting for the object store/],
    ['Temporal is down', 'gpu', () => here, /waiting for Temporal/],
  ];
  for (const [claim, pool, s3, waitsFor] of CASES) {
    it(`ends at once, with exit code 0, where ${claim}`, async () => {
      const log = join(folder, `${pool}.log`);
      const started = spawn(process.execPath, [COMMAND, 'worker', '--pool', pool], {
        stdio: 'ignore',
        env: {
          PATH: process.env.PATH,
          TEMPORAL_ADDRESS: nowhere,
          SAMFLOW_S3_ENDPOINT: `http://${s3()}`,
          SAMFLOW_S3_ACCESS_KEY_ID: 'nobody',
          SAMFLOW_S3_SECRET_ACCESS_KEY: 'nothing',
          SAMFLOW_PATIENT_KEY: 'a secret of many letters',
          SAMFLOW_LOG_FILE: log,
        },
      });
      child = started;
      const exit = new Promise<[number | null, string | null]>((resolve) =>
        started.on('exit', (...how) => resolve(how)),
      );
      const text = (): Promise<string> => readFile(log, 'utf8').catch(() => '');
      for (const end = Date.now() + 60_000; !waitsFor.test(await text()); await sleep(50)) {
        assert.ok(Date.now() < end && started.exitCode === null, await text());
      }
      started.kill('SIGTERM');
      const how = await Promise.race([exit, sleep(10_000, 'still alive after ten seconds', { ref: false })]);
      assert.deepEqual(how, [0, null], await text());
      assert.match(await text(), /"stopped"/);
    });
  }
});
