import { setCurrentDetails, setHandler, upsertSearchAttributes } from '@temporalio/workflow';
import type {
  ControlState,
  Metrics,
  Progress,
  StageProgress,
  StageSummary,
  Tally,
  Trouble,
} from '../contracts/pipeline.ts';
import type { FineTuneProgress } from '../contracts/stages.ts';
import { renderDetails } from './details.ts';
import { progressQuery, troubleSignal } from './messages.ts';
import { attributes } from './search-attributes.ts';

/** What a stage's result carries, and the result of a small step does not. */
interface Outcome {
  readonly reused?: boolean;
  readonly seconds?: number;
}

/**
 * Where a workflow keeps its account of itself: the query `progress`, the details in the Web UI and the search attribute
 * of the stage all come from here. It decides nothing.
 */
export interface Board {
  /** Opens a stage of so many units of work, for the second time too. */
  begin(stage: string, units: number): void;
  /** Waits for one unit of a stage and counts it. */
  unit<T extends object>(stage: string, work: Promise<T>): Promise<T>;
  /** Counts units that were done elsewhere (a child workflow). */
  add(stage: string, units: number, reused: number, workSeconds: number): void;
  /** What a stage has counted so far. */
  tally(stage: string): Tally;
  note(progress: FineTuneProgress): void;
  measured(metrics: Metrics): void;
  /** What people have asked the workflow for. */
  asked(control: ControlState): void;
  child(workflowId: string | null): void;
  /** The workflow ends: open stages become failed, where there is an error. */
  close(error: { code: string; sentence: string } | null): void;
  summaries(): StageSummary[];
}

export function openBoard(title: string, names: readonly string[]): Board {
  const stages = names.map(blank);
  let metrics: Metrics | null = null;
  let training: FineTuneProgress | null = null;
  let child: string | null = null;
  let control: ControlState | null = null;
  let failure: string | null = null;
  let trouble: Trouble | null = null;

  const find = (name: string): StageProgress => {
    const stage = stages.find((candidate) => candidate.name === name);
    if (!stage) throw new TypeError(`no stage ${name} on this board`);
    return stage;
  };
  const show = (): void =>
    setCurrentDetails(renderDetails({ title, stages, metrics, training, control, trouble, failure }));
  const add = (name: string, units: number, reused: number, workSeconds: number): void => {
    const stage = find(name);
    stage.done += units;
    stage.reused += reused;
    stage.workSeconds += workSeconds;
    // Something gets done.
    trouble = null;
    if (stage.done === stage.total) settle(stage, stage.reused === stage.total ? 'reused' : 'done');
    show();
  };

  setHandler(progressQuery, (): Progress => ({ stages, metrics, training, child, control }));
  setHandler(troubleSignal, (told) => {
    trouble = told.sentence === null && trouble && isSame(told, trouble) ? trouble : told;
    show();
  });
  show();

  return {
    begin(name, units) {
      Object.assign(find(name), { state: 'running', done: 0, reused: 0, total: units, startedAt: Date.now() });
      upsertSearchAttributes([{ key: attributes.stage, value: name }]);
      show();
    },
    async unit(name, work) {
      const result = await work;
      const { reused = false, seconds = 0 }: Outcome = result;
      add(name, 1, reused ? 1 : 0, seconds);
      return result;
    },
    add,
    tally(name) {
      const { done, reused, workSeconds } = find(name);
      return { done, reused, workSeconds };
    },
    note(progress) {
      training = progress;
      trouble = null;
      show();
    },
    measured(values) {
      metrics = values;
      upsertSearchAttributes([
        { key: attributes.dice, value: values.fineTuned.dice },
        { key: attributes.zeroShotDice, value: values.zeroShot.dice },
      ]);
      show();
    },
    asked(state) {
      control = state;
      show();
    },
    child(workflowId) {
      child = workflowId;
    },
    close(error) {
      for (const stage of stages) if (error && stage.state === 'running') settle(stage, 'failed');
      failure = error?.sentence ?? null;
      trouble = null;
      upsertSearchAttributes([{ key: attributes.status, value: error?.code ?? 'completed' }]);
      show();
    },
    summaries: () =>
      stages.map(({ name, seconds, state, workSeconds }) => ({
        name,
        seconds: seconds ?? 0,
        reused: state === 'reused',
        workSeconds: round(workSeconds),
      })),
  };
}

/** An attempt says that it begins; the one before it may have said why it has failed. */
const isSame = (a: Trouble, b: Trouble): boolean => a.activity === b.activity && a.attempt === b.attempt;

function blank(name: string): StageProgress {
  return { name, state: 'pending', done: 0, total: 0, reused: 0, startedAt: null, seconds: null, workSeconds: 0 };
}

function settle(stage: StageProgress, state: StageProgress['state']): void {
  stage.state = state;
  stage.seconds = round((Date.now() - (stage.startedAt ?? Date.now())) / 1000);
}

const round = (seconds: number): number => Math.round(seconds * 1000) / 1000;
