import type { WorkflowExecutionDescription, WorkflowExecutionStatusName } from '@temporalio/client';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { MESSAGES } from '../../contracts/messages.ts';
import type { Progress, StageProgress } from '../../contracts/pipeline.ts';
import { FineTuneProgress } from '../../contracts/stages.ts';
import type { Platform } from '../dev/platform.ts';
import { GRPC, grpcStatus } from '../to-fault.ts';

/** What can be said about a run at one moment. */
export interface Snapshot {
  readonly run: string;
  readonly status: WorkflowExecutionStatusName;
  readonly stages: readonly StageProgress[];
  readonly metrics: Progress['metrics'];
  readonly training: FineTuneProgress | null;
  /** What is not going as it should: attempts that failed, work that nobody takes. */
  readonly notes: readonly string[];
  /** Since when no worker answers the query, in milliseconds of the epoch; null while one does. */
  readonly silentSince: number | null;
}

const DEADLINE_MS = 3_000;
/** Work that waits longer than this for a worker is worth a line. */
const WAITING_MS = 5_000;

/** Looks at a run. Where no worker answers, what is known from the server alone is still told. */
export async function takeSnapshot(platform: Platform, run: string, before: Snapshot | null): Promise<Snapshot> {
  const description = await soon(platform, () => platform.client.workflow.getHandle(run).describe());
  const status = description.status.name;
  const progress = await ask(platform, run, status === 'RUNNING');
  const child = progress?.child ? await lookAtChild(platform, progress.child) : null;
  const pending = [...pendingOf(description), ...(child?.pending ?? [])];
  const notes = pending.flatMap((activity) => noteOn(activity));
  const silentSince = progress || status !== 'RUNNING' ? null : (before?.silentSince ?? Date.now());
  if (silentSince !== null && Date.now() - silentSince > WAITING_MS) {
    notes.push('waiting for the io worker, which runs the workflow');
  }
  return {
    ...{ run, status, notes, silentSince },
    stages: withChild(progress?.stages ?? before?.stages ?? [], child?.progress ?? null, before),
    metrics: progress?.metrics ?? before?.metrics ?? null,
    training: furthest([before?.training, progress?.training, trainingOf(pending)]),
  };
}

async function lookAtChild(platform: Platform, id: string) {
  try {
    const description = await soon(platform, () => platform.client.workflow.getHandle(id).describe());
    return { progress: await ask(platform, id, true), pending: pendingOf(description) };
  } catch {
    // Not started yet, or ended just now.
    return null;
  }
}

/**
 * The child counts what its parent sees as one piece. It says nothing for a moment while it goes on in a new history, and
 * nothing that was done is undone by that.
 */
function withChild(
  stages: readonly StageProgress[],
  child: Progress | null,
  before: Pick<Snapshot, 'stages'> | null,
): StageProgress[] {
  return stages.map((stage) => {
    const named = ({ name }: StageProgress) => name === stage.name;
    const inner = child?.stages.find(named);
    const last = before?.stages.find(named);
    const known = inner ?? (last?.total === stage.total && last.done > stage.done ? last : null);
    return known && stage.state === 'running' ? { ...stage, done: known.done, reused: known.reused } : stage;
  });
}

async function ask(platform: Platform, id: string, needed: boolean): Promise<Progress | null> {
  try {
    return await soon(platform, () => platform.client.workflow.getHandle(id).query<Progress>(MESSAGES.progress));
  } catch (error) {
    // Unanswered: no worker (yet). The server itself being away is the caller's business.
    if (!needed || !isOutage(error)) return null;
    throw error;
  }
}

const soon = <T>({ client }: Platform, call: () => Promise<T>): Promise<T> =>
  client.withDeadline(Date.now() + DEADLINE_MS, call);

/** Nobody listens. */
export const isOutage = (error: unknown): boolean => grpcStatus(error)?.code === GRPC.unavailable;

interface Pending {
  readonly stage: string;
  readonly attempt: number;
  readonly waitingMs: number;
  readonly failure: string | null;
  readonly details: unknown;
}

function pendingOf({ raw }: WorkflowExecutionDescription): Pending[] {
  return (raw.pendingActivities ?? []).map((activity) => {
    // 1: scheduled, and no worker has taken it.
    const waiting = activity.state === 1 && activity.scheduledTime;
    return {
      stage: activity.activityType?.name ?? '',
      attempt: activity.attempt ?? 1,
      waitingMs: waiting ? Date.now() - Number(waiting.seconds ?? 0) * 1000 : 0,
      failure: activity.lastFailure?.message ?? null,
      details: decode(activity.heartbeatDetails?.payloads?.[0]),
    };
  });
}

function decode(payload: Payload | null | undefined): unknown {
  try {
    return payload ? defaultPayloadConverter.fromPayload(payload) : null;
  } catch {
    return null;
  }
}

function noteOn({ stage, attempt, failure, waitingMs }: Pending): string[] {
  if (attempt > 1 && failure) return [`${stage}: attempt ${attempt}, after: ${failure}`];
  return waitingMs > WAITING_MS ? [`${stage}: waiting for a worker (${Math.round(waitingMs / 1000)} s)`] : [];
}

/** Heartbeats and the workflow's account reach us apart: the one that is further on is the newer one. */
function furthest(accounts: readonly (FineTuneProgress | null | undefined)[]): FineTuneProgress | null {
  return accounts.reduce<FineTuneProgress | null>(
    (best, account) => (account && account.step >= (best?.step ?? 0) ? account : best),
    null,
  );
}

function trainingOf(pending: readonly Pending[]): FineTuneProgress | null {
  for (const { stage, details } of pending) {
    const parsed = stage === 'fineTune' ? FineTuneProgress.safeParse(details) : null;
    if (parsed?.success) return parsed.data;
  }
  return null;
}
