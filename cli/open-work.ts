import type { Client } from '@temporalio/client';
import type { Payload } from '@temporalio/common';
import { WORKFLOWS } from '../contracts/messages.ts';
import { Fault } from '../lib/fault.ts';
import type { Platform } from './dev/platform.ts';
import { decodePayload } from './watch/decode.ts';

/**
 * What Temporal holds of work that is not finished: inputs of the schedules, and everything that open workflows were given,
 * have got and have told. References in it are to things that are needed still.
 */
export async function openWork({ client }: Platform): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const { scheduleId } of client.schedule.list()) {
    found.push((await client.schedule.getHandle(scheduleId).describe()).action);
  }
  const types = Object.values(WORKFLOWS).map((type) => `'${type}'`);
  const query = `ExecutionStatus = 'Running' AND WorkflowType IN (${types.join(', ')})`;
  for await (const { workflowId, runId } of client.workflow.list({ query })) {
    const handle = client.workflow.getHandle(workflowId, runId);
    const [history, description] = [await handle.fetchHistory(), await handle.describe()];
    for (const payload of payloadsIn([history, description.raw.pendingActivities])) {
      found.push(await read(client, payload, workflowId));
    }
  }
  return found;
}

/** Payloads at any depth of what the server answers. */
function* payloadsIn(value: unknown): Generator<Payload> {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  const { metadata, data } = value as Payload;
  if (metadata && data instanceof Uint8Array) yield value as Payload;
  else for (const member of Object.values(value)) yield* payloadsIn(member);
}

async function read(client: Client, payload: Payload, workflow: string): Promise<unknown> {
  try {
    return await decodePayload(client, payload);
  } catch (cause) {
    const details = { at: workflow, found: 'an open workflow whose history cannot be read', expected: 'one that can' };
    throw new Fault('GC_UNSURE', { ...details, fix: 'Wait for it, or end it: what it needs is not known' }, { cause });
  }
}
