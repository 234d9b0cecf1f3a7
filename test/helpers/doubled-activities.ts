import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { Priority } from '../../contracts/priority.ts';
import { QUEUES } from '../../contracts/queues.ts';
import { SEARCH_ATTRIBUTES } from '../../contracts/search-attributes.ts';
import { startTestServers } from './dev-servers.ts';

/** Workflows over doubles of their activities: a Temporal server, and workers in this process that serve every queue. */
export interface DoubledActivities {
  readonly client: Client;
  readonly address: string;
  /** Starts a workflow by its name. */
  start<R>(workflow: string, input: unknown, priority?: Priority): Promise<WorkflowHandle & { result(): Promise<R> }>;
  close(): Promise<void>;
}

/** @param slots activities that each queue's worker does at a time; the SDK's default is a hundred */
export async function openDoubled(workflows: string, activities: object, slots?: number): Promise<DoubledActivities> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const { servers, close } = await startTestServers('temporal', SEARCH_ATTRIBUTES);
  const address = servers.temporalAddress;
  const connection = await Connection.connect({ address, connectTimeout: '30s' });
  const native = await NativeConnection.connect({ address });
  const workflowsPath = fileURLToPath(new URL(workflows, import.meta.url));
  const workers = await Promise.all(
    Object.values(QUEUES).map((taskQueue) =>
      Worker.create({
        ...{ connection: native, taskQueue, maxHeartbeatThrottleInterval: 100 },
        ...(taskQueue === QUEUES.workflow ? { workflowsPath } : { activities }),
        ...(slots !== undefined && { maxConcurrentActivityTaskExecutions: slots }),
      }),
    ),
  );
  const running = workers.map((worker) => worker.run());
  const client = new Client({ connection });
  return {
    client,
    address,
    start: (workflow, input, priority) =>
      client.workflow.start(workflow, {
        ...{ taskQueue: QUEUES.workflow, workflowId: randomUUID(), args: [input] },
        ...(priority && { priority }),
      }),
    async close() {
      for (const worker of workers) worker.shutdown();
      await Promise.all(running);
      await connection.close();
      await native.close();
      await close();
    },
  };
}
