/** Names of workflows and their messages, in one place. Plain constants: workflows, activities and CLI share them. */
export const WORKFLOWS = {
  pipeline: 'pipelineWorkflow',
  prepare: 'prepareWorkflow',
  encode: 'encodeWorkflow',
  infer: 'inferWorkflow',
  retrain: 'retrainWorkflow',
} as const;

export const MESSAGES = {
  /** Query: how far the workflow is (`Progress`). */
  progress: 'progress',
  /** Signal from the fine-tune activity to its workflow, now and then: what the Web UI shows of the training. */
  fineTuneProgress: 'fineTuneProgress',
} as const;

/** Workflow id of the fan-out that a run starts. */
export const encodeWorkflowId = (run: string): string => `${run}/encode`;

/** Activities tell the server this often that they live; after the time-out without a word they count as dead. */
export const HEARTBEAT = { everyMs: 1_000, timeout: '10s' } as const;
