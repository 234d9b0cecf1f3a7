/** Names of workflows and their messages, in one place. Plain constants: workflows, activities and CLI share them. */
export const WORKFLOWS = {
  pipeline: 'pipelineWorkflow',
  prepare: 'prepareWorkflow',
  encode: 'encodeWorkflow',
  infer: 'inferWorkflow',
  retrain: 'retrainWorkflow',
  crossValidate: 'crossValidateWorkflow',
} as const;

export const MESSAGES = {
  /** Query: how far the workflow is (`Progress`). */
  progress: 'progress',
  /** Signal from the fine-tune activity to its workflow, now and then: what the Web UI shows of the training. */
  fineTuneProgress: 'fineTuneProgress',
  /** Signal from a run to the workflow that has started it: its training begins, or has ended (`TrainingNews`). */
  training: 'training',
  /** Signal from an activity that is tried again and again (`Trouble`). */
  trouble: 'trouble',
  /** Updates of a pipeline, a retraining and a cross-validation, which answer with `ControlState` or a refusal, and signals of the same names. */
  pause: 'pause',
  resume: 'resume',
  /** The training ends with the whole epochs that are done, at least one; the run goes on to evaluate. */
  stop: 'stop',
  /** The training is to have so many epochs in all: a number, more than were planned. */
  extend: 'extend',
} as const;

/** Workflow id of the fan-out that a run starts. */
export const encodeWorkflowId = (run: string): string => `${run}/encode`;
/** The run that a workflow belongs to. */
export const runOf = (workflowId: string): string => workflowId.replace(/\/encode$/, '');

/** Workflow id of a cross-validation's fold, counted from 0; `FOLD_RUN` knows such an id. */
export const foldWorkflowId = (run: string, fold: number): string => `${run}/fold-${fold + 1}`;
export const FOLD_RUN = /\/fold-\d+$/;

/** Activities tell the server this often that they live; after the time-out without a word they count as dead. */
export const HEARTBEAT = { everyMs: 500, timeout: '10s' } as const;
