import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  type FaultProxy,
  S3_FAULTS,
  SILENT_FAULTS,
  seededFaults,
  startFaultProxy,
} from '../../../bench/faults/fault-proxy.ts';
import { SEARCH_ATTRIBUTES } from '../../../contracts/search-attributes.ts';
import { type DevServers, startDevServers } from '../../../infra/dev/servers.ts';
import { ArtifactStore } from '../../../lib/artifacts/artifact-store.ts';
import { S3Store } from '../../../lib/artifacts/s3-store.ts';
import { PreconditionFailed } from '../../../lib/artifacts/store.ts';
import { testEnv, withoutTools } from '../../helpers/dev-servers.ts';
import { assertRejectsWithFault } from '../../helpers/faults.ts';

/** F4: what goes wrong between a store and its clients, one by one and mixed, against a real server. */

describe('a store behind a line on which things go wrong', {
  skip: await withoutTools('temporal', 'versitygw'),
}, () => {
  let stateDir: string;
  let servers: DevServers;
  const closing: (() => unknown)[] = [];

  before(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'samflow-faults-'));
    servers = await startDevServers({
      ...{ stateDir, env: testEnv(), ports: 'random', searchAttributes: SEARCH_ATTRIBUTES },
      report: () => undefined,
    });
  });
  after(async () => {
    for (const close of closing) await close();
    await servers?.stop();
    await rm(stateDir, { recursive: true, force: true });
  });

  async function behind(
    choose: Parameters<typeof startFaultProxy>[1],
    timeoutMs = 30_000,
  ): Promise<{ store: S3Store; proxy: FaultProxy }> {
    const proxy = await startFaultProxy(servers.s3.endpoint!, choose);
    const store = new S3Store({
      ...servers.s3,
      endpoint: proxy.url,
      bucket: 'faults',
      forcePathStyle: true,
      timeoutMs,
    });
    closing.push(
      () => proxy.close(),
      () => store.close(),
    );
    return { store, proxy };
  }

  for (const fault of [...S3_FAULTS, ...SILENT_FAULTS]) {
    it(`keeps and gives the right bytes through \`${fault}\`, once for each request`, async () => {
      // Every second request of a kind: each one fails once and is then let through.
      const seen = new Map<string, number>();
      const { store, proxy } = await behind(({ method }) => {
        seen.set(method, (seen.get(method) ?? 0) + 1);
        return seen.get(method)! % 2 === 1 ? fault : null;
        // What only a time-out ends need not take half a minute here.
      }, 500);
      await store.ensureBucket();
      const artifacts = new ArtifactStore(store);
      const bytes = randomBytes(300_000);
      const ref = await artifacts.put('thing', bytes);
      assert.deepEqual(Buffer.from(await artifacts.get(ref)), bytes);
      assert.equal(ref.sha256, createHash('sha256').update(bytes).digest('hex'));
      assert.ok(await artifacts.has(ref));
      assert.ok((proxy.injected.get(fault) ?? 0) > 0, `${proxy.requests} requests, none with ${fault}`);
    });
  }

  it('says that it is denied, and does not try again', async () => {
    const { store, proxy } = await behind(() => 'denied');
    await assertRejectsWithFault(store.put('key', Buffer.from('text')), 'STORE_DENIED');
    assert.equal(proxy.requests, 1);
  });

  it('decides a conditional write once, whatever is lost or repeated on the way', async () => {
    const { store } = await behind(seededFaults(11, 3));
    await store.ensureBucket();
    for (let round = 0; round < 12; round += 1) {
      const key = `pointer-${round}`;
      const writers = Array.from({ length: 4 }, (_, n) => Buffer.from(`writer ${n}`));
      const outcomes = await Promise.allSettled(writers.map((bytes) => store.put(key, bytes, { ifNoneMatch: '*' })));
      const kept = Buffer.from((await store.get(key))!.bytes).toString();
      for (const [n, outcome] of outcomes.entries()) {
        // A writer whose answer was lost may hear that the key is taken, by itself; nobody hears that he won who did not.
        if (outcome.status === 'fulfilled') assert.equal(kept, `writer ${n}`);
        else assert.ok(outcome.reason instanceof PreconditionFailed, String(outcome.reason));
      }
    }
  });

  it('keeps objects whole through a mixture of everything', async () => {
    const { store, proxy } = await behind(seededFaults(7, 4));
    await store.ensureBucket();
    const artifacts = new ArtifactStore(store);
    for (let round = 0; round < 32; round += 1) {
      const bytes = randomBytes(300_000 + round);
      const ref = await artifacts.put('large', bytes);
      assert.deepEqual(Buffer.from(await artifacts.get(ref)), bytes);
    }
    assert.deepEqual([...proxy.injected.keys()].sort(), [...S3_FAULTS].sort());
  });
});
