import { z } from 'zod';
import { ArtifactRef, PatientKey } from './artifact.ts';
import { Branch } from './branch.ts';
import {
  ChosenSlices,
  DeviceConfig,
  EvaluationConfig,
  ModelConfig,
  PromptsConfig,
  SplitSettings,
  TrainingConfig,
} from './config.ts';
import { Fresh } from './memo.ts';
import {
  BothModels,
  ConvertResult,
  DownloadResult,
  EncodedPatient,
  EncodeInput,
  EncodeResult,
  EvaluateInput,
  FineTuneProgress,
  InferResult,
  ModelRef,
  Overlap,
  SliceResult,
  SplitResult,
  Structure,
  StructureSummary,
} from './stages.ts';

/** Inputs, results and answers of the workflows. Like the stages', they carry references, keys, counts and settings only. */

/** A run configuration without its `source` and `dataset`, which name patients and lie in the store. */
export const RunSettings = z.strictObject({
  split: SplitSettings,
  model: ModelConfig,
  /** Absent in runs of older versions. */
  device: DeviceConfig.default('cpu'),
  slices: ChosenSlices,
  prompts: PromptsConfig,
  training: TrainingConfig,
  /** Absent in runs of older versions. */
  evaluation: EvaluationConfig.prefault({}),
});
export type RunSettings = z.infer<typeof RunSettings>;

// pipeline -----------------------------------------------------------------------------------------------------------
export const PipelineInput = z.strictObject({
  name: z.string(),
  target: z.string(),
  /** Artifact `dataset-spec`. */
  spec: ArtifactRef,
  /** What is learned and scored one by one: the values of masks, and their names. */
  structures: z.array(Structure).min(1),
  settings: RunSettings,
  /** Works again from a stage on, whatever the store holds. */
  fresh: Fresh.optional(),
  /** Trains on from a checkpoint of another run. */
  branch: Branch.optional(),
  /** Epochs there are to be in all, where the workflow that starts this run was asked for more than are planned. */
  extendedTo: z.int().positive().optional(),
});
export type PipelineInput = z.infer<typeof PipelineInput>;

export const StageSummary = z.strictObject({
  name: z.string(),
  /** From the stage's first activity to its last, in this run. */
  seconds: z.number().nonnegative(),
  /** Everything the stage gives was in the store already. */
  reused: z.boolean(),
  /** What the work itself took, when it was done. */
  workSeconds: z.number().nonnegative(),
});
export type StageSummary = z.infer<typeof StageSummary>;

export const Metrics = z.strictObject({ zeroShot: Overlap, fineTuned: Overlap });
export type Metrics = z.infer<typeof Metrics>;

/** What was asked of a run's training while it was at work. */
export const Asked = z.strictObject({
  stoppedEarly: z.literal(true).optional(),
  extendedTo: z.int().positive().optional(),
});
export type Asked = z.infer<typeof Asked>;

export const PipelineResult = z.strictObject({
  run: z.string(),
  name: z.string(),
  target: z.string(),
  structures: z.array(Structure).min(1),
  stages: z.array(StageSummary),
  metrics: Metrics,
  /** All metrics over the unseen patients; absent in runs of older versions. */
  summaries: z.array(StructureSummary).optional(),
  /** With boxes drawn as in training; `metrics` are those with boxes as the truth has them. */
  jittered: BothModels.optional(),
  fingerprint: z.string(),
  split: SplitResult,
  /** Everybody, with the slices that were used. */
  patients: z.array(z.strictObject({ patient: PatientKey, volume: ArtifactRef, slices: ArtifactRef })),
  /** The unseen patients, as evaluate read them: a challenger and a champion are compared on these. */
  test: EvaluateInput.shape.test,
  model: ModelRef,
  weights: ArtifactRef,
  package: ArtifactRef,
  evaluation: ArtifactRef,
  curves: ArtifactRef,
  masks: z.array(InferResult),
  report: ArtifactRef,
  /** What was mended in the data, one sentence each, with the patient's key in front. */
  repairs: z.array(z.string()),
  /** Absent where nothing was. */
  asked: Asked.optional(),
});
export type PipelineResult = z.infer<typeof PipelineResult>;

/** Answer of the query `progress`, for pipeline, encode, infer and retrain alike. */
export const StageState = z.enum(['pending', 'running', 'done', 'reused', 'failed']);
export type StageState = z.infer<typeof StageState>;
export const StageProgress = z.strictObject({
  name: z.string(),
  state: StageState,
  /** Units of work (patients, shards, ...); 0 of 0 while the number is not known. */
  done: z.int(),
  total: z.int(),
  /** Units that came from the store. */
  reused: z.int(),
  /** Milliseconds of the epoch, by the workflow's clock. */
  startedAt: z.number().nullable(),
  seconds: z.number().nullable(),
  workSeconds: z.number(),
});
export type StageProgress = z.infer<typeof StageProgress>;
/** What people have asked of a run. */
export const ControlState = z.strictObject({
  paused: z.boolean(),
  /** The training ends with the epochs that are done. */
  stopping: z.boolean(),
  /** Epochs there are to be in all; null where that is what the settings say. */
  epochs: z.int().nullable(),
  /** In the answer of a workflow above runs: those that were at work and have been told. */
  told: z.array(z.string()).optional(),
});
export type ControlState = z.infer<typeof ControlState>;
/** Where a run stands that trains. */
export type TrainingPhase = 'before' | 'tuning' | 'after';
export interface TrainingNews {
  readonly run: string;
  readonly phase: TrainingPhase;
}
/** An activity that is tried again and again, as its attempts tell the workflow. */
export interface Trouble {
  readonly activity: string;
  /** The attempt that begins, or is about to. */
  readonly attempt: number;
  /** Why the one before it has failed; null where it has not said so. */
  readonly sentence: string | null;
}
export const Progress = z.strictObject({
  stages: z.array(StageProgress),
  metrics: Metrics.nullable(),
  /** What the workflow was told last of the training; heartbeats of the activity are newer while it runs. */
  training: FineTuneProgress.nullable(),
  /** Workflow id of the child that knows more about the stage at work. */
  child: z.string().nullable(),
  /** Of a workflow that was asked for something; absent in older versions. */
  control: ControlState.nullable().optional(),
});
export type Progress = z.infer<typeof Progress>;

// encode (child): shards of all patients, through a window of bounded width ------------------------------------------
export const EncodeWorkflowInput = z.strictObject({
  ...EncodeInput.shape,
  /** Shards at work at once: enough for every gpu worker to have the next one waiting. */
  width: z.int().positive(),
  /** Whether finished shards are put on lists in the store; so many of them would not fit into a message. */
  indexed: z.boolean().optional(),
  /** Carried from run to run of a long fan-out: results so far, by patient. */
  done: z.array(EncodedPatient).optional(),
  paused: z.boolean().optional(),
  tally: z.strictObject({ shards: z.int(), reused: z.int(), seconds: z.number() }).optional(),
  uses: EncodeResult.shape.uses,
  /** Token of a run that is to encode again. */
  fresh: Fresh.shape.token.optional(),
});
export type EncodeWorkflowInput = z.infer<typeof EncodeWorkflowInput>;

// prepare (child): convert and slice, for some of many patients -------------------------------------------------------
const Tally = z.strictObject({ done: z.int(), reused: z.int(), workSeconds: z.number() });
export type Tally = z.infer<typeof Tally>;
export const PrepareWorkflowInput = z.strictObject({
  patients: DownloadResult.shape.patients,
  slices: ChosenSlices,
  /** What the children before this one have done: progress counts all patients of the run. */
  before: z.strictObject({ convert: Tally, slice: Tally }),
  total: z.int().positive(),
  paused: z.boolean().optional(),
  /** Of a run that works again from a stage on. */
  fresh: Fresh.optional(),
});
export type PrepareWorkflowInput = z.infer<typeof PrepareWorkflowInput>;
export const PreparedPatient = z.strictObject({
  patient: PatientKey,
  split: DownloadResult.shape.patients.element.shape.split,
  volume: ConvertResult,
  slices: SliceResult,
});
export type PreparedPatient = z.infer<typeof PreparedPatient>;
export const PrepareWorkflowResult = z.strictObject({
  patients: z.array(PreparedPatient),
  /** With what was counted before. */
  counted: z.strictObject({ convert: Tally, slice: Tally }),
});
export type PrepareWorkflowResult = z.infer<typeof PrepareWorkflowResult>;

// infer --------------------------------------------------------------------------------------------------------------
export const InferWorkflowInput = z.strictObject({
  /** Artifact `model-package`. */
  package: ArtifactRef,
  /** Scans to segment: artifact `patient-files` each. */
  scans: z.array(z.strictObject({ patient: PatientKey, files: ArtifactRef })).min(1),
  /** Whether the probabilities are wanted beside the masks. */
  probability: z.boolean().optional(),
});
export type InferWorkflowInput = z.infer<typeof InferWorkflowInput>;
export const InferWorkflowResult = z.strictObject({ stages: z.array(StageSummary), masks: z.array(InferResult) });
export type InferWorkflowResult = z.infer<typeof InferWorkflowResult>;

// retrain ------------------------------------------------------------------------------------------------------------
export const RetrainInput = PipelineInput.extend({
  /** A better model waits until somebody other than the author says yes; absent: its scores promote it. */
  approval: z.strictObject({ author: z.string() }).optional(),
});
export type RetrainInput = z.infer<typeof RetrainInput>;
export const RetrainResult = z.strictObject({
  /**
   * `unchanged`: nothing new to train on. `first`, `promoted`: the new model is the champion. `kept`: the old one stays.
   * `proposed`: the new one is better, or the first, and waits for a yes.
   */
  outcome: z.enum(['unchanged', 'first', 'promoted', 'kept', 'proposed']),
  /** One sentence for people. */
  reason: z.string(),
  /** Dice on the patients that neither model was trained on. */
  champion: z.number().nullable(),
  challenger: z.number().nullable(),
  run: z.string().nullable(),
});
export type RetrainResult = z.infer<typeof RetrainResult>;
