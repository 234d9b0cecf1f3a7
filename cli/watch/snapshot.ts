import type { WorkflowExecutionDescription, WorkflowExecutionStatusName } from '@temporalio/client';
import { LOST_WORKER } from '../../contracts/failure-codes.ts';
import { MESSAGES } from '../../contracts/messages.ts';
import type { Progress, StageProgress } from '../../contracts/pipeline.ts';
import { FineTuneProgress } from '../../contracts/stages.ts';
import { isFault } from '../../lib/fault.ts';
import type { Platform } from '../dev/platform.ts';
import { GRPC, grpcStatus } from '../to-fault.ts';
import { messageOf, payloadValue } from './decode.ts';

/** What can be said about a run at one moment. */
export interface Snapshot {
  readonly run: string;
  readonly status: WorkflowExecutionStatusName;
  readonly stages: readonly StageProgress[];
  /** The run that the running stage waits for (a fold's, a retraining's), where that has stages of its own. */
  readonly inner: { readonly run: string; readonly stages: readonly StageProgress[] } | null;
  readonly metrics: Progress['metrics'];
  readonly training: FineTuneProgress | null;
  /** What is not going as it should: attempts that failed, work that nobody takes. */
  readonly notes: readonly string[];
  /** Since when no worker answers the query, in milliseconds of the epoch; null while one does. */
  readonly silentSince: number | null;
  /** What people have asked of it; null where nothing was. */
  readonly control: NonNullable<Progress['control']> | null;
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
  const pending = [...(await pendingOf(description, platform)), ...(child?.pending ?? [])];
  const notes = pending.flatMap((activity) => noteOn(activity));
  const control = progress?.control ?? before?.control ?? null;
  const silentSince = progress || status !== 'RUNNING' ? null : (before?.silentSince ?? Date.now());
  if (silentSince !== null && Date.now() - silentSince > WAITING_MS) {
    notes.push('waiting for the io worker, which runs the workflow');
  }
  const inner = innerOf(progress, child);
  // Each fold trains from its first step on.
  const known = inner?.run === before?.inner?.run ? before?.training : null;
  return {
    ...{ run, status, inner, silentSince, control, notes: [...controlNotes(run, control), ...notes] },
    stages: withChild(progress?.stages ?? before?.stages ?? [], child?.progress ?? null, before),
    metrics: progress?.metrics ?? before?.metrics ?? null,
    training: furthest([known, progress?.training, inner && child?.progress?.training, trainingOf(pending)]),
  };
}

function controlNotes(run: string, control: Snapshot['control']): string[] {
  if (!control) return [];
  return [
    ...(control.paused ? [`paused: \`samflow resume ${run}\` lets it go on`] : []),
    ...(control.stopping ? ['the training was told to stop'] : []),
    ...(control.epochs === null ? [] : [`the training was extended to ${control.epochs} epochs`]),
  ];
}

interface Child {
  readonly id: string;
  readonly progress: Progress | null;
  readonly pending: Pending[];
}

/** A child, with what its own child knows better. */
async function lookAtChild(platform: Platform, id: string): Promise<Child | null> {
  try {
    const description = await soon(platform, () => platform.client.workflow.getHandle(id).describe());
    const progress = await ask(platform, id, true);
    const child = progress?.child ? await lookAtChild(platform, progress.child) : null;
    return {
      id,
      progress: progress && { ...progress, stages: withChild(progress.stages, child?.progress ?? null, null) },
      pending: [...(await pendingOf(description, platform)), ...(child?.pending ?? [])],
    };
  } catch (error) {
    if (isFault(error)) throw error;
    // Not started yet, or ended just now.
    return null;
  }
}

/** The child itself, where it does not count the parent's stage but has other ones. */
function innerOf(progress: Progress | null, child: Child | null): Snapshot['inner'] {
  const stage = progress?.stages.find(({ state }) => state === 'running')?.name;
  const inner = child?.progress?.stages;
  if (!child || !inner || stage === undefined || inner.some(({ name }) => name === stage)) return null;
  return { run: child.id, stages: inner };
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
    // An answer that cannot be decrypted. Unanswered: no worker (yet). The server itself being away is the caller's business.
    if (isFault(error)) throw error;
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

function pendingOf({ raw }: WorkflowExecutionDescription, { client }: Platform): Promise<Pending[]> {
  const pending = (raw.pendingActivities ?? []).map(async (activity) => {
    // 1: scheduled, and no worker has taken it.
    const waiting = activity.state === 1 && activity.scheduledTime;
    return {
      stage: activity.activityType?.name ?? '',
      attempt: activity.attempt ?? 1,
      waitingMs: waiting ? Date.now() - Number(waiting.seconds ?? 0) * 1000 : 0,
      failure: activity.lastFailure?.timeoutFailureInfo
        ? `${LOST_WORKER} (${activity.lastFailure.message})`
        : await messageOf(client, activity.lastFailure),
      details: await payloadValue(client, activity.heartbeatDetails?.payloads?.[0]),
    };
  });
  return Promise.all(pending);
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
