import {
  CancellationScope,
  type ChildWorkflowHandle,
  condition,
  defineSignal,
  getExternalWorkflowHandle,
  isCancellation,
  setHandler,
  upsertSearchAttributes,
  type Workflow,
  workflowInfo,
} from '@temporalio/workflow';
import { MESSAGES } from '../contracts/messages.ts';
import type { Asked, ControlState, TrainingPhase } from '../contracts/pipeline.ts';
import type { FineTuneInput, FineTuneResult } from '../contracts/stages.ts';
import type { Board } from './board.ts';
import { heed, refuseFewer, refuseIf, refuseNoEpochs } from './heed.ts';
import { trainingSignal } from './messages.ts';
import { fineTune } from './options.ts';
import { attributes } from './search-attributes.ts';

/**
 * What people may ask of a run at work: pause, resume, stop the training early, extend it. Each is an update, which says no to what
 * makes no sense, and a signal of the same name for the Web UI, which then does nothing.
 *
 * A wish reaches the training by its end: the attempt at work is cancelled, leaves the step behind that it is at, and is started
 * again with the wish in its input (after a pause: when the run is resumed). So it survives whatever happens to a worker.
 */
export interface Control {
  /** Waits while the run is paused; stands before every activity. */
  gate(): Promise<void>;
  /** Waits for a child workflow, which hears of pauses. */
  following<T extends Workflow>(child: ChildWorkflowHandle<T>): ReturnType<ChildWorkflowHandle<T>['result']>;
  /** Fine-tunes as is asked at any time. */
  fineTune(input: Omit<FineTuneInput, 'until' | 'stop'>): Promise<FineTuneResult>;
  /** What was asked of the training, for the report. */
  asked(): Asked;
}

/** @param extendedTo epochs in all, where more were asked for before this run began */
export function openControl(epochs: number, board: Board, extendedTo?: number): Control {
  const state: ControlState = { paused: false, stopping: false, epochs: extendedTo ?? null };
  let phase: TrainingPhase = 'before';
  /** Ends the attempt at work. */
  let interrupt = (): void => undefined;
  let tell = (_message: string): void => undefined;

  const changed = (): ControlState => {
    board.asked({ ...state });
    interrupt();
    return { ...state };
  };
  const setPaused = (paused: boolean) => (): ControlState => {
    state.paused = paused;
    upsertSearchAttributes([{ key: attributes.status, value: paused ? 'paused' : 'running' }]);
    tell(paused ? MESSAGES.pause : MESSAGES.resume);
    return changed();
  };
  const enter = (next: TrainingPhase): void => {
    phase = next;
    tellParent(next);
  };
  if (extendedTo !== undefined) board.asked({ ...state });

  heed(MESSAGES.pause, () => refuseIf(state.paused, 'the run is paused already'), setPaused(true));
  heed(MESSAGES.resume, () => refuseIf(!state.paused, 'the run is not paused'), setPaused(false));
  heed(
    MESSAGES.stop,
    () => {
      refuseIf(phase === 'before', 'the training has not begun: wait for it, or cancel the run');
      refuseIf(phase === 'after', 'the training has ended');
      refuseIf(state.stopping, 'the training is being stopped already');
    },
    () => {
      state.stopping = true;
      return changed();
    },
  );
  heed(
    MESSAGES.extend,
    (to: number) => {
      refuseNoEpochs(to);
      refuseIf(phase === 'after', 'the training has ended: start a run with more `training.epochs`');
      refuseIf(state.stopping, 'the training is being stopped');
      refuseFewer(to, state.epochs ?? epochs);
    },
    (to: number) => {
      state.epochs = to;
      return changed();
    },
  );

  const gate = async (): Promise<void> => {
    if (state.paused) await condition(() => !state.paused);
  };

  async function tune(input: Omit<FineTuneInput, 'until' | 'stop'>): Promise<FineTuneResult> {
    enter('tuning');
    for (;;) {
      await gate();
      const until = state.epochs;
      let isOurs = false;
      try {
        const tuned = await CancellationScope.cancellable(() => {
          const scope = CancellationScope.current();
          interrupt = () => {
            isOurs = true;
            scope.cancel();
          };
          return fineTune({ ...input, ...(until && { until }), ...(state.stopping && { stop: true }) });
        });
        // It may have ended just before it could hear that it was to go on.
        if (state.epochs === until) {
          enter('after');
          return tuned;
        }
      } catch (error) {
        if (!isOurs || !isCancellation(error)) throw error;
      } finally {
        interrupt = () => undefined;
      }
    }
  }

  return {
    gate,
    fineTune: tune,
    following: async (child) => {
      // Best effort: a child that has ended needs no telling.
      tell = (message) => void child.signal(defineSignal(message)).catch(() => undefined);
      if (state.paused) tell(MESSAGES.pause);
      try {
        return await child.result();
      } finally {
        tell = () => undefined;
      }
    },
    asked: () => ({
      ...(state.stopping && { stoppedEarly: true as const }),
      ...(state.epochs !== null && { extendedTo: state.epochs }),
    }),
  };
}

/** Pauses of a workflow that another one has started and tells of them. `paused` as it was in the history before. */
export function openGate(paused = false): { gate(): Promise<void>; isPaused(): boolean } {
  let isPaused = paused;
  setHandler(defineSignal(MESSAGES.pause), () => {
    isPaused = true;
  });
  setHandler(defineSignal(MESSAGES.resume), () => {
    isPaused = false;
  });
  return {
    gate: async () => {
      if (isPaused) await condition(() => !isPaused);
    },
    isPaused: () => isPaused,
  };
}

/** Who has started this run may have to say whether its training can be stopped or extended. Best effort: a parent that ends asks nothing. */
function tellParent(phase: TrainingPhase): void {
  const { parent, workflowId } = workflowInfo();
  if (!parent) return;
  const handle = getExternalWorkflowHandle(parent.workflowId, parent.runId);
  void handle.signal(trainingSignal, { run: workflowId, phase }).catch(() => undefined);
}
