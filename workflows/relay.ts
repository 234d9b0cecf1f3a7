import {
  type ChildWorkflowHandle,
  type ChildWorkflowOptions,
  condition,
  defineSignal,
  setHandler,
  startChild,
  upsertSearchAttributes,
  type Workflow,
  workflowInfo,
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
  /** Whether it is a run of the pipeline. */
  readonly trains: boolean;
  stopping: boolean;
}

export function openRelay(epochs: number, board: Board): Relay {
  const children = new Map<string, Child>();
  let [paused, extendedTo]: [boolean, number | null] = [false, null];
  let expected = Number.POSITIVE_INFINITY;
  /** Of every run so far, the ended ones too: a run's news may come before that it has started. */
  const phases = new Map<string, TrainingPhase>();

  type Entry = readonly [id: string, child: Child];
  const entries = (pick: (child: Child, phase: TrainingPhase) => boolean): Entry[] =>
    [...children].filter(([id, child]) => pick(child, phases.get(id) ?? 'before'));
  const atWork = () => entries(({ trains }, phase) => trains && phase === 'tuning');
  const extensible = () => entries(({ trains, stopping }, phase) => trains && phase !== 'after' && !stopping);
  const trained = (): number => [...phases.values()].filter((phase) => phase === 'after').length;
  const hasMore = (): boolean =>
    trained() + entries(({ trains }, phase) => trains && phase !== 'after').length < expected;
  const state = (): ControlState => {
    const stopping = atWork().some(([, child]) => child.stopping);
    return { paused, stopping, epochs: extendedTo };
  };
  /** Tells these children, and answers with who they are. */
  const tell = (which: readonly Entry[], message: string, ...args: unknown[]): ControlState => {
    for (const [, child] of which) child.tell(message, ...args);
    board.asked(state());
    return { ...state(), told: which.map(([id]) => id) };
  };

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
      refuseIf(trained() === expected, 'the training has ended');
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
      refuseIf(trained() === expected, 'the training has ended: start a run with more `training.epochs`');
      refuseIf(extensible().length === 0 && !hasMore(), 'the training is being stopped');
      refuseFewer(to, extendedTo ?? epochs);
    },
    (to: number) => {
      extendedTo = to;
      return tell(extensible(), MESSAGES.extend, to);
    },
  );
  setHandler(trainingSignal, ({ run, phase }) => {
    if (!run.startsWith(`${workflowInfo().workflowId}/`)) return;
    phases.set(run, phase);
    const { stopping, epochs: to } = state();
    if (paused || stopping || to !== null) board.asked(state());
  });

  const follow = async <T extends Workflow>(
    handle: ChildWorkflowHandle<T>,
    trains: boolean,
    startedWith: number | null = null,
  ) => {
    // Best effort: a child that has ended needs no telling.
    const tell: Child['tell'] = (message, ...args) =>
      void handle.signal(defineSignal<unknown[]>(message), ...args).catch(() => undefined);
    const child: Child = { tell, trains, stopping: false };
    children.set(handle.workflowId, child);
    // What was asked while it was being started.
    if (paused) tell(MESSAGES.pause);
    if (trains && extendedTo !== startedWith) tell(MESSAGES.extend, extendedTo);
    try {
      return await handle.result();
    } finally {
      children.delete(handle.workflowId);
      if (trains) phases.set(handle.workflowId, 'after');
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
      return follow(handle, true, to);
    },
    following: (child) => follow(child, false),
    expect: (runs) => {
      expected = runs;
    },
  };
}
