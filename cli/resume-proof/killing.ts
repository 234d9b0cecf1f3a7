import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowExecutionDescription, WorkflowHandle } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { encodeWorkflowId } from '../../contracts/messages.ts';
import { FineTuneProgress } from '../../contracts/stages.ts';
import type { ProofInstallation } from './installation.ts';
import { KILLED_STAGES, type Kill, type KilledStage } from './kills.ts';

const POLL_MS = 30;
const ACTIVITIES: Readonly<Record<string, KilledStage>> = {
  encodeShard: 'encode',
  fineTune: 'fine-tune',
  evaluate: 'evaluate',
};

/** What a run's gpu worker is at. */
interface AtWork {
  readonly stage: KilledStage;
  /** What the server has heard of last. */
  readonly step: number;
  readonly steps: number;
}

/** What was seen of a run when its worker was ended; null where the run had ended before. */
export type Seen = { readonly stage: string; readonly step: number } | null;

/** Waits for the moment of a kill. `before`: what was at work at the last one. */
export async function momentOf(
  kill: Kill,
  run: WorkflowHandle,
  installation: ProofInstallation,
  before: Seen,
): Promise<Seen> {
  for (;;) {
    const description = await run.describe();
    if (description.status.name !== 'RUNNING') return null;
    const now = await atWork(description, run, installation);
    if (now && isTime(kill, now, before)) {
      await sleep(kill.delayMs);
      const then = await atWork(await run.describe(), run, installation);
      return then ?? now;
    }
    await sleep(POLL_MS);
  }
}

function isTime(kill: Kill, { stage, step, steps }: AtWork, before: Seen): boolean {
  const ahead = KILLED_STAGES.indexOf(stage) - KILLED_STAGES.indexOf(kill.stage);
  if (ahead !== 0) return ahead > 0;
  if (stage !== 'fine-tune' || kill.early) return true;
  // Every life but an early one's gets somewhere.
  const hasMoved = before?.stage !== stage || step > before.step;
  return hasMoved && steps > 0 && step >= kill.share * steps;
}

/** The activity that a worker has, if there is one. */
async function atWork(
  description: WorkflowExecutionDescription,
  run: WorkflowHandle,
  { client }: ProofInstallation,
): Promise<AtWork | null> {
  const own = startedIn(description);
  if (own) return own;
  try {
    return startedIn(await client.workflow.getHandle(encodeWorkflowId(run.workflowId)).describe());
  } catch {
    // Not begun yet.
    return null;
  }
}

function startedIn({ raw }: WorkflowExecutionDescription): AtWork | null {
  for (const { activityType, state, heartbeatDetails } of raw.pendingActivities ?? []) {
    const stage = ACTIVITIES[activityType?.name ?? ''];
    // 2: a worker has it.
    if (!stage || state !== 2) continue;
    const payload = heartbeatDetails?.payloads?.[0];
    const told = FineTuneProgress.safeParse(payload ? defaultPayloadConverter.fromPayload(payload) : null);
    const { step = 0, steps = 0 } = told.success ? told.data : {};
    return { stage, step, steps };
  }
  return null;
}
