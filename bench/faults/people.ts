import type { WorkflowFailedError, WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import { CancelledFailure } from '@temporalio/common';
import type { Fault } from './fault.ts';

/** From the order to the end of the run, with everything that it had at work. */
const CANCEL_SECONDS = 5;

/** F9: the run is cancelled in a stage, and started again. */
export function cancelled(stage: string): Fault {
  return {
    ...{ id: 'F9', title: `the run is cancelled in ${stage}, and started again` },
    ...{ within: 60, retries: 2 },
    async disturb({ run, stage: at, again }) {
      await at(stage);
      await run.cancel();
      const began = performance.now();
      const cause = await run.result().then(
        () => null,
        (error: WorkflowFailedError) => error.cause,
      );
      const seconds = (performance.now() - began) / 1000;
      if (!(cause instanceof CancelledFailure))
        throw new Error(`ended with ${(cause as ApplicationFailure)?.type ?? 'a result'}`);
      if (seconds > CANCEL_SECONDS)
        throw new Error(`cancelled after ${seconds.toFixed(1)} s, at most ${CANCEL_SECONDS}`);
      await again();
    },
  };
}

/** F9: the run is started twice under its id, and once more under another one, while it is in a stage. */
export function startedTwice(stage: string): Fault {
  return {
    ...{ id: 'F9', title: `the run is started twice, and under another id too, in ${stage}` },
    // Two workers, so that both may train at once: who is fenced out waits a minute for the other one's result.
    ...{ within: 180, retries: 4 },
    async disturb({ run, stage: at, again, twin, startGpu }) {
      await at(stage);
      await startGpu();
      const { firstExecutionRunId } = (await again()) as WorkflowHandleWithFirstExecutionRunId;
      if (firstExecutionRunId !== (run as WorkflowHandleWithFirstExecutionRunId).firstExecutionRunId) {
        throw new Error('a second run was begun under the id of the first');
      }
      await (await twin()).result();
    },
  };
}

/** F11: a run of so many patients fills the gpu queue while this one is at work; it is not to wait for that one's end. */
export function crowded(patients: number): Fault {
  return {
    ...{ id: 'F11', title: `a run of ${patients} patients comes to the same workers` },
    ...{ within: 120, retries: 2 },
    async disturb({ run, crowd }) {
      const big = await crowd(patients);
      await run.result();
      const { status } = await big.describe();
      if (status.name !== 'RUNNING') throw new Error(`the big run has ended first (${status.name})`);
      await big.terminate();
    },
  };
}
