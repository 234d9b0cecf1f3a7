import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Account, accountOf } from '../../cli/resume-proof/account.ts';
import { withoutTools } from '../helpers/dev-servers.ts';
import { type FaultProxy, seededFaults, startFaultProxy } from '../helpers/fault-proxy.ts';
import { type Bucket, chainIn, Installation, smallRun, type WorkerProcess } from '../helpers/installation.ts';
import { OwnTemporal } from '../helpers/own-temporal.ts';
import { until } from '../helpers/until.ts';

/**
 * Faults of the plan (F3 server, F4 store, F5 zombie, F8 native abort; F1 and F2 are `samflow verify-resume`'s): after each of them a run must end
 * as one that nobody touched, bit by bit, with one checkpoint chain in which every step names its parent, and no slice encoded
 * twice.
 */

const CONFIG = smallRun('faults', {
  ...{ epochs: 30, patience: 0, batchBoxes: 2, learningRate: 1e-3, checkpointEverySteps: 5 },
});
const SEED = 20261125;

describe('a run that ends as one that nobody touched', { skip: await withoutTools('temporal', 'versitygw') }, () => {
  let temporal: OwnTemporal;
  let installation: Installation;
  let untouched: Account;
  let untouchedSeconds: number;
  const proxies: FaultProxy[] = [];

  before(
    async () => {
      temporal = await OwnTemporal.start();
      installation = await Installation.open({ temporalAddress: temporal.address });
      const started = performance.now();
      untouched = await ended('untouched', async () => undefined);
      untouchedSeconds = (performance.now() - started) / 1000;
      assert.deepEqual(untouched.violations, []);
    },
    { timeout: 300_000 },
  );
  after(async () => {
    await installation?.close();
    await temporal?.close();
    await Promise.all(proxies.map((proxy) => proxy.close()));
  });

  /** A run of its own in a bucket of its own, which is disturbed while it trains. */
  async function ended(
    name: string,
    disturb: (bucket: Bucket, gpu: WorkerProcess) => Promise<void>,
    env: Record<string, string> = {},
  ): Promise<Account> {
    const bucket = installation.bucket(name);
    const [, gpu] = await Promise.all([
      installation.startWorker('io,cpu', bucket, env),
      installation.startWorker('gpu', bucket, env),
    ]);
    const handle = await installation.startRun(name, CONFIG, bucket);
    await disturb(bucket, gpu);
    const account = await accountOf(await handle.result(), bucket);
    await installation.stopWorkers();
    return account;
  }

  const checkpoints = (bucket: Bucket, count: number) =>
    until(async () => (await chainIn(bucket)).length >= count, 120);

  function same(account: Account, name: string, seconds: number): void {
    // The report names its run.
    const comparable = ({ digests: { report, ...others } }: Account) => others;
    assert.deepEqual(comparable(account), comparable(untouched));
    assert.deepEqual(account.metrics, untouched.metrics);
    assert.deepEqual(account.violations, []);
    console.log(`# ${name}: ${seconds.toFixed(1)} s, untouched ${untouchedSeconds.toFixed(1)} s`);
  }

  it('F3: the Temporal server is killed in mid training and comes back on its database', async () => {
    const started = performance.now();
    const account = await ended('server-killed', async (bucket) => {
      await checkpoints(bucket, 5);
      await temporal.kill();
      await sleep(3_000);
      await temporal.start();
    });
    same(account, 'F3', (performance.now() - started) / 1000);
  });

  it('F4: one request to the store in eight goes wrong, in nine ways', async () => {
    const proxy = await startFaultProxy(installation.storeEndpoint, seededFaults(SEED, 8));
    proxies.push(proxy);
    const started = performance.now();
    const account = await ended('store-troubled', async () => undefined, { SAMFLOW_S3_ENDPOINT: proxy.url });
    const injected = [...proxy.injected.values()].reduce((sum, count) => sum + count, 0);
    assert.ok(
      injected > 20 && proxy.injected.size >= 7,
      `${injected} of ${proxy.requests}: ${[...proxy.injected.keys()]}`,
    );
    same(account, `F4 (seed ${SEED}, ${injected} of ${proxy.requests} requests)`, (performance.now() - started) / 1000);
  });

  it('F8: native code takes its worker with it (SIGABRT)', async () => {
    const started = performance.now();
    const account = await ended('aborted', async (bucket, gpu) => {
      await checkpoints(bucket, 5);
      gpu.kill('SIGABRT');
      assert.equal((await gpu.exited).signal, 'SIGABRT');
      await installation.startWorker('gpu', bucket);
    });
    same(account, 'F8', (performance.now() - started) / 1000);
  });

  it('F5: a worker that was taken for dead wakes up beside its successor, and changes nothing', async () => {
    const started = performance.now();
    const account = await ended('zombie', async (bucket, zombie) => {
      await checkpoints(bucket, 5);
      zombie.kill('SIGSTOP');
      const before = (await chainIn(bucket)).at(-1)!.fence;
      await installation.startWorker('gpu', bucket);
      await until(async () => (await chainIn(bucket)).at(-1)!.fence > before, 60);
      zombie.kill('SIGCONT');
    });
    assert.deepEqual([...new Set(account.chain.map(({ fence }) => fence))].length, 2);
    same(account, 'F5', (performance.now() - started) / 1000);
  });
});
