import type { WorkflowHandle } from '@temporalio/client';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';

type Handle = Pick<WorkflowHandle, 'fetchHistory' | 'describe'>;
type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;
type Event = NonNullable<History['events']>[number];

/** An activity as a history tells of it: once, with its last attempt, however often it was tried. */
export interface ActivityRecord {
  readonly type: string;
  readonly attempt: number;
  /** Why the attempt before the last one ended; null where there was none. */
  readonly lastFailure: string | null;
  readonly startedAtMs: number;
  readonly cancelRequestedAtMs: number | null;
  readonly cancelledAtMs: number | null;
  /** However it ended. */
  readonly endedAtMs: number | null;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into it key by key
  readonly input: any;
  // biome-ignore lint/suspicious/noExplicitAny: the same
  readonly result: any;
}

export async function activitiesOf(handle: Handle, type?: string): Promise<ActivityRecord[]> {
  const { events } = await handle.fetchHistory();
  const records = new Map<string, ActivityRecord>();
  const amend = (id: unknown, change: Partial<ActivityRecord>): void => {
    records.set(String(id), { ...records.get(String(id))!, ...change });
  };
  for (const event of events ?? []) {
    const scheduled = event.activityTaskScheduledEventAttributes;
    const started = event.activityTaskStartedEventAttributes;
    const completed = event.activityTaskCompletedEventAttributes;
    const requested = event.activityTaskCancelRequestedEventAttributes;
    const cancelled = event.activityTaskCanceledEventAttributes;
    if (scheduled) {
      const [input] = valuesOf(scheduled.input?.payloads);
      amend(event.eventId, {
        ...{ type: scheduled.activityType!.name!, attempt: 0, lastFailure: null, startedAtMs: 0, input, result: null },
        ...{ cancelRequestedAtMs: null, cancelledAtMs: null, endedAtMs: null },
      });
    }
    if (started) {
      const lastFailure = started.lastFailure?.message ?? null;
      amend(started.scheduledEventId, { attempt: started.attempt!, startedAtMs: timeOf(event), lastFailure });
    }
    if (completed) {
      amend(completed.scheduledEventId, { result: valuesOf(completed.result?.payloads)[0], endedAtMs: timeOf(event) });
    }
    if (requested) amend(requested.scheduledEventId, { cancelRequestedAtMs: timeOf(event) });
    if (cancelled) {
      amend(cancelled.scheduledEventId, { cancelledAtMs: timeOf(event), endedAtMs: timeOf(event) });
    }
  }
  return [...records.values()].filter((record) => type === undefined || record.type === type);
}

/** Signals of a name, in order. */
// biome-ignore lint/suspicious/noExplicitAny: a test looks into it key by key
export async function signalsOf(handle: Handle, name: string): Promise<{ atMs: number; value: any }[]> {
  const { events } = await handle.fetchHistory();
  return (events ?? []).flatMap((event) => {
    const signalled = event.workflowExecutionSignaledEventAttributes;
    if (signalled?.signalName !== name) return [];
    return [{ atMs: timeOf(event), value: valuesOf(signalled.input?.payloads)[0] }];
  });
}

export interface PendingActivity {
  readonly attempt: number;
  /** False while it waits for a worker. */
  readonly isStarted: boolean;
  /** What it last told with a heartbeat. */
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into it key by key
  readonly details: any;
}

/** What the server knows of an activity that is at work. */
export async function pendingOf(handle: Handle, type: string): Promise<PendingActivity | null> {
  const { raw } = await handle.describe();
  const pending = raw.pendingActivities?.find(({ activityType }) => activityType?.name === type);
  if (!pending) return null;
  // 2: a worker has it.
  return {
    attempt: pending.attempt ?? 1,
    isStarted: pending.state === 2,
    details: valuesOf(pending.heartbeatDetails?.payloads)[0] ?? null,
  };
}

/** Everything that a message of the server's holds, as JSON, with payloads in clear. */
export function textOf(message: unknown): string {
  // Messages turn themselves into JSON, and bytes into base64; what payloads carry stands under `data`.
  return JSON.stringify(message, (key, value) =>
    key === 'data' && typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : value,
  );
}

// biome-ignore lint/suspicious/noExplicitAny: what a payload holds is for the test to say
const valuesOf = (payloads: readonly Payload[] | null | undefined): any[] =>
  (payloads ?? []).map((payload) => defaultPayloadConverter.fromPayload(payload));

function timeOf({ eventTime }: Event): number {
  return Number(String(eventTime?.seconds ?? 0)) * 1000 + (eventTime?.nanos ?? 0) / 1e6;
}
