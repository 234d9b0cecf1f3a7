import {
  type ChildWorkflowHandle,
  type ChildWorkflowOptions,
  condition,
  defineSignal,
  setHandler,
  startChild,
  upsertSearchAttributes,
  type Workflow,
} from '@temporalio/workflow';
import { MESSAGES, WORKFLOWS } from '../contracts/messages.ts';
import type { ControlState, PipelineInput, PipelineResult, TrainingPhase } from '../contracts/pipeline.ts';
import type { Board } from './board.ts';
import { heed, refuseFewer, refuseIf, refuseNoEpochs } from './heed.ts';
import { trainingSignal } from './messages.ts';
import type { pipelineWorkflow } from './pipeline.ts';
import { attributes } from './search-attributes.ts';

/**
 * What people may ask of a workflow above runs, as of a run itself (control.ts). Pause and resume reach every child at work and hold back
 * what is not yet begun. Stop reaches the trainings at work, and no other. Extend reaches every training that has not ended, also of
 * runs to come: those are started with it.
 */
export interface Relay {
  /** Waits while the workflow is paused; stands before every activity and child. */
  gate(): Promise<void>;
  /** Runs a pipeline as a child that hears of everything. */
  run(
    workflowId: string,
    input: PipelineInput,
    options: Omit<ChildWorkflowOptions, 'workflowId' | 'args'>,
  ): Promise<PipelineResult>;
  /** Waits for another child, which hears of pauses. */
  following<T extends Workflow>(child: ChildWorkflowHandle<T>): ReturnType<ChildWorkflowHandle<T>['result']>;
  /** How many runs there are to be; until it is said, there may always be another. */
  expect(runs: number): void;
}

interface Child {
  readonly tell: (message: string, ...args: unknown[]) => void;
  /** Null where it trains nothing. */
  phase: TrainingPhase | null;
  stopping: boolean;
}

export function openRelay(epochs: number, board: Board): Relay {
  const children = new Map<string, Child>();
  let [paused, extendedTo]: [boolean, number | null] = [false, null];
  let [expected, trained] = [Number.POSITIVE_INFINITY, 0];

  const state = (): ControlState => {
    const stopping = [...children.values()].some((child) => child.phase === 'tuning' && child.stopping);
    return { paused, stopping, epochs: extendedTo };
  };
  /** Tells these children, and answers with who they are. */
  const tell = (which: readonly [string, Child][], message: string, ...args: unknown[]): ControlState => {
    for (const [, child] of which) child.tell(message, ...args);
    board.asked(state());
    return { ...state(), told: which.map(([id]) => id) };
  };
  const those = (pick: (child: Child) => boolean): [string, Child][] => [...children].filter(([, one]) => pick(one));
  const atWork = () => those(({ phase }) => phase === 'tuning');
  const extensible = () => those(({ phase, stopping }) => phase !== null && phase !== 'after' && !stopping);
  const hasMore = (): boolean =>
    trained + those(({ phase }) => phase === 'before' || phase === 'tuning').length < expected;

  const setPaused = (now: boolean) => (): ControlState => {
    paused = now;
    upsertSearchAttributes([{ key: attributes.status, value: paused ? 'paused' : 'running' }]);
    return tell([...children], paused ? MESSAGES.pause : MESSAGES.resume);
  };
  heed(MESSAGES.pause, () => refuseIf(paused, 'the run is paused already'), setPaused(true));
  heed(MESSAGES.resume, () => refuseIf(!paused, 'the run is not paused'), setPaused(false));
  heed(
    MESSAGES.stop,
    () => {
      refuseIf(trained === expected, 'the training has ended');
      refuseIf(atWork().length === 0, 'no training is at work: wait for it, or cancel the run');
      refuseIf(
        atWork().every(([, { stopping }]) => stopping),
        'the training is being stopped already',
      );
    },
    () => {
      const which = atWork().filter(([, { stopping }]) => !stopping);
      for (const [, child] of which) child.stopping = true;
      return tell(which, MESSAGES.stop);
    },
  );
  heed(
    MESSAGES.extend,
    (to: number) => {
      refuseNoEpochs(to);
      refuseIf(trained === expected, 'the training has ended: start a run with more `training.epochs`');
      refuseIf(extensible().length === 0 && !hasMore(), 'the training is being stopped');
      refuseFewer(to, extendedTo ?? epochs);
    },
    (to: number) => {
      extendedTo = to;
      return tell(extensible(), MESSAGES.extend, to);
    },
  );
  setHandler(trainingSignal, ({ run, phase }) => {
    const child = children.get(run);
    if (!child) return;
    if (phase === 'after' && child.phase !== 'after') trained += 1;
    child.phase = phase;
    const { stopping, epochs: to } = state();
    if (paused || stopping || to !== null) board.asked(state());
  });

  const follow = async <T extends Workflow>(
    handle: ChildWorkflowHandle<T>,
    phase: TrainingPhase | null,
    startedWith: number | null = null,
  ) => {
    // Best effort: a child that has ended needs no telling.
    const tell: Child['tell'] = (message, ...args) =>
      void handle.signal(defineSignal<unknown[]>(message), ...args).catch(() => undefined);
    const child: Child = { tell, phase, stopping: false };
    children.set(handle.workflowId, child);
    // What was asked while it was being started.
    if (paused) tell(MESSAGES.pause);
    if (phase !== null && extendedTo !== startedWith) tell(MESSAGES.extend, extendedTo);
    try {
      return await handle.result();
    } finally {
      children.delete(handle.workflowId);
      if (phase !== null && child.phase !== 'after') trained += 1;
      if (child.stopping) board.asked(state());
    }
  };
  return {
    gate: async () => {
      if (paused) await condition(() => !paused);
    },
    run: async (workflowId, input, options) => {
      const to = extendedTo;
      const handle = await startChild<typeof pipelineWorkflow>(WORKFLOWS.pipeline, {
        ...options,
        workflowId,
        args: [{ ...input, ...(to !== null && { extendedTo: to }) }],
      });
      return follow(handle, 'before', to);
    },
    following: (child) => follow(child, null),
    expect: (runs) => {
      expected = runs;
    },
  };
}
