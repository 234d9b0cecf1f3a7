import type { Client } from '@temporalio/client';
import { type Payload, WorkflowNotFoundError } from '@temporalio/common';
import { WORKFLOWS } from '../contracts/messages.ts';
import { Fault } from '../lib/fault.ts';
import type { Platform } from './dev/platform.ts';
import { decodePayload } from './watch/decode.ts';

/** An open workflow or a schedule, with everything that it was given, has got and has told. */
export interface OpenWork {
  readonly id: string;
  readonly is: 'workflow' | 'schedule';
  readonly values: readonly unknown[];
}

/** What Temporal holds of work that is not finished: references in it are to things that are needed still. */
export const openWork = async (platform: Platform): Promise<unknown[]> =>
  (await readOpenWork(platform)).flatMap(({ values }) => values);

/** @throws Fault GC_UNSURE */
export async function readOpenWork({ client }: Platform): Promise<OpenWork[]> {
  const found: OpenWork[] = [];
  for await (const { scheduleId } of client.schedule.list()) {
    const { action } = await client.schedule.getHandle(scheduleId).describe();
    found.push({ id: scheduleId, is: 'schedule', values: [action] });
  }
  const types = Object.values(WORKFLOWS).map((type) => `'${type}'`);
  const query = `ExecutionStatus = 'Running' AND WorkflowType IN (${types.join(', ')})`;
  for await (const { workflowId, runId } of client.workflow.list({ query })) {
    const values: unknown[] = [];
    for await (const payload of payloadsOf(client, workflowId, runId)) {
      values.push(await read(client, payload, workflowId));
    }
    found.push({ id: workflowId, is: 'workflow', values });
  }
  return found;
}

/** The same of a workflow that has ended, as far as it can be read. */
export async function readEndedWork(
  { client }: Platform,
  { workflowId, runId }: { readonly workflowId: string; readonly runId: string },
): Promise<unknown[]> {
  const values: unknown[] = [];
  try {
    for await (const payload of payloadsOf(client, workflowId, runId)) {
      values.push(await decodePayload(client, payload).catch(() => null));
    }
  } catch (error) {
    // It is being deleted.
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
  return values;
}

async function* payloadsOf(client: Client, workflowId: string, runId: string): AsyncGenerator<Payload> {
  const handle = client.workflow.getHandle(workflowId, runId);
  const [history, description] = [await handle.fetchHistory(), await handle.describe()];
  yield* payloadsIn([history, description.raw.pendingActivities]);
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
