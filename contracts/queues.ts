/** Task queue names, in one place. Plain constants: workflows import this file, so it must stay free of zod. */
export const QUEUES = {
  /** Workflow tasks only; served by the io pool's process, which loads no native library of ours. */
  workflow: 'samflow-workflow',
  /** Network and disk: download, model import, fingerprints, registry. */
  io: 'samflow-io',
  /** Processor-bound work without a model: convert, slice, split, report. */
  cpu: 'samflow-cpu',
  /** Anything that opens a model session: encode, fine-tune, evaluate, infer. One activity at a time per device. */
  gpu: 'samflow-gpu',
} as const;

export const POOLS = ['io', 'cpu', 'gpu'] as const;
export type Pool = (typeof POOLS)[number];

/** The stages in the order in which data flows through them; CLI, report and Web UI show them under these words. */
export const STAGES = [
  'download',
  'convert',
  'slice',
  'split',
  'encode',
  'fine-tune',
  'evaluate',
  'infer',
  'report',
] as const;
export type Stage = (typeof STAGES)[number];
