import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { BoundedInput, BoundedResult, boundedWorkflow } from '../helpers/bounded-workflow.ts';
import { startTestServers, type TestServers, withoutTools } from '../helpers/dev-servers.ts';

const taskQueue = 'bounded';
const workflowsPath = fileURLToPath(new URL('../helpers/bounded-workflow.ts', import.meta.url));

describe('a window of bounded width', { skip: await withoutTools('temporal') }, () => {
  let test: TestServers;
  let connection: Connection;
  let native: NativeConnection;
  let worker: Worker;
  let running: Promise<void>;
  let calls = 0;
  before(async () => {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
    test = await startTestServers('temporal');
    const address = test.servers.temporalAddress;
    connection = await Connection.connect({ address, connectTimeout: '30s' });
    native = await NativeConnection.connect({ address });
    worker = await Worker.create({ connection: native, taskQueue, workflowsPath });
    running = worker.run();
  });
  after(async () => {
    worker?.shutdown();
    await running;
    await connection?.close();
    await native?.close();
    await test?.close();
  });

  const map = (input: BoundedInput): Promise<BoundedResult> =>
    new Client({ connection }).workflow.execute<typeof boundedWorkflow>('boundedWorkflow', {
      ...{ taskQueue, workflowId: `bounded-${++calls}`, args: [input] },
    });

  it('is kept full and never overfull, and gives results in the order of the items', async () => {
    const { results, most, endings } = await map({ delays: [null, 1, 1, 1, 1], width: 2, fails: null });
    assert.deepEqual(results, [0, 10, 20, 30, 40]);
    assert.equal(most, 2);
    // The first one holds one lane until all the others have gone through the other.
    assert.deepEqual(endings, ['1 done', '2 done', '3 done', '4 done', '0 done']);
  });

  it('starts nothing after a failure, cancels the others, waits for them, and tells of that failure', async () => {
    const { failure, endings } = await map({ delays: [60_000, 1, 60_000, 1, 1], width: 3, fails: 1 });
    assert.equal(failure, 'item 1');
    assert.deepEqual(endings.slice(0, 1), ['1 failed']);
    assert.deepEqual(endings.slice(1).sort(), ['0 cancelled', '2 cancelled']);
  });

  it('of more lanes than items, or of none at all, maps all the same', async () => {
    assert.deepEqual((await map({ delays: [1], width: 8, fails: null })).results, [0]);
    assert.deepEqual((await map({ delays: [], width: 8, fails: null })).results, []);
  });
});
