import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, type Worker } from '@temporalio/worker';
import type { Activities } from '../../activities/index.ts';
import { openDataConverter } from '../../codec/data-converter.ts';
import { WORKFLOWS } from '../../contracts/messages.ts';
import type { EncodeWorkflowInput } from '../../contracts/pipeline.ts';
import { QUEUES } from '../../contracts/queues.ts';
import { SEARCH_ATTRIBUTES } from '../../contracts/search-attributes.ts';
import type { EncodeShardInput } from '../../contracts/stages.ts';
import { createPool } from '../../workers/pools.ts';
import { startTestServers, type TestServers, testEnv, withoutTools } from '../helpers/dev-servers.ts';
import { noOpStages, refOf } from '../helpers/no-op-stages.ts';
import { until } from '../helpers/until.ts';

const run = promisify(execFile);
/** What the gpu pool is handed. */
const PER_SECOND = 10;
const { model, stages } = noOpStages({ patients: 1, slices: 2, embeddingShape: [1, 1, 1] });
const input: EncodeWorkflowInput = {
  ...{ model, shardSlices: 1, width: 1 },
  patients: [{ patient: 'p-000000000001', slices: refOf('slices'), count: 2 }],
};

describe('workers of the pools', { skip: await withoutTools('temporal') }, () => {
  let test: TestServers;
  let connection: Connection;
  let client: Client;
  const natives: NativeConnection[] = [];
  const running: Promise<void>[] = [];
  const workers: Worker[] = [];
  /** Ends the shards that wait. */
  const ends: (() => void)[] = [];
  let waits = true;
  const activities = {
    ...stages,
    async encodeShard(shard: EncodeShardInput) {
      if (waits) await new Promise<void>((resolve) => ends.push(resolve));
      return stages.encodeShard(shard);
    },
  };

  const start = async (pool: 'io' | 'gpu', buildId: string | null): Promise<void> => {
    const version = buildId === null ? null : { buildId, deploymentName: 'samflow' };
    // A connection serves one worker of a queue; each of these is a process of its own.
    const native = await NativeConnection.connect({ address: test.servers.temporalAddress });
    natives.push(native);
    const temporal = {
      connection: native,
      namespace: 'default',
      dataConverter: openDataConverter({ keys: null, keysFile: null }),
    };
    const options = { slots: 8, activitiesPerSecond: pool === 'gpu' ? PER_SECOND : null, version };
    const created = await createPool(pool, options, activities as unknown as Activities, temporal, {
      metrics: null,
      tracing: null,
    });
    workers.push(...created);
    running.push(...created.map((worker) => worker.run()));
  };
  /** As docs/how-to/upgrade.md says. */
  const setCurrent = async (buildId: string): Promise<void> => {
    const args = ['worker', 'deployment', 'set-current-version', '--deployment-name', 'samflow', '--build-id', buildId];
    const address = ['--address', test.servers.temporalAddress, '--yes'];
    // The server hears of a version with the worker's first poll.
    await until(
      () =>
        run('temporal', [...args, ...address], { env: testEnv() }).then(
          () => true,
          () => false,
        ),
      30,
    );
  };
  const versionOf = async (workflowId: string): Promise<string | undefined> => {
    const { raw } = await client.workflow.getHandle(workflowId).describe();
    return raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId ?? undefined;
  };
  const encode = (workflowId: string, given = input) =>
    client.workflow.start(WORKFLOWS.encode, { taskQueue: QUEUES.workflow, workflowId, args: [given] });

  before(async () => {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
    test = await startTestServers('temporal', SEARCH_ATTRIBUTES);
    const address = test.servers.temporalAddress;
    connection = await Connection.connect({ address, connectTimeout: '30s' });
    client = new Client({ connection });
    await start('gpu', null);
  });
  after(async () => {
    for (const end of ends) end();
    for (const worker of workers) worker.shutdown();
    await Promise.all(running);
    await connection?.close();
    for (const native of natives) await native.close();
    await test?.close();
  });

  it('with a version of the workflow code end a run under that which it was started with, and begin new ones under the current', {
    timeout: 120_000,
  }, async () => {
    await start('io', 'one');
    await setCurrent('one');
    const old = await encode('old');
    await until(() => ends.length > 0, 30);

    await start('io', 'two');
    await setCurrent('two');
    const fresh = await encode('fresh');
    await until(() => ends.length > 1, 30);
    waits = false;
    for (const end of ends) end();
    await Promise.all([old.result(), fresh.result()]);
    assert.deepEqual([await versionOf('old'), await versionOf('fresh')], ['one', 'two']);
  });

  it('are handed no more activities a second than they ask for together', { timeout: 60_000 }, async () => {
    const patients = [{ ...input.patients[0]!, count: 60 }];
    const started = performance.now();
    await (await encode('many', { ...input, width: 16, patients })).result();
    const seconds = (performance.now() - started) / 1000;
    // The first second's worth may come at once.
    assert.ok(seconds > 60 / PER_SECOND - 1.5, `${seconds} s`);
  });
});
