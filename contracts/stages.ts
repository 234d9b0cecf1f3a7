import { z } from 'zod';
import { ArtifactRef, PatientKey } from './artifact.ts';
import { Branch } from './branch.ts';
import {
  ChosenSlices,
  DatasetConfig,
  DeviceConfig,
  EvaluationConfig,
  ModelConfig,
  PostProcessConfig,
  PromptsConfig,
  SourceConfig,
  SplitSettings,
  TrainingConfig,
} from './config.ts';
import { MemoCause, MemoKey, MemoUse } from './memo.ts';

/**
 * Every activity takes one object and gives one object, by the schemas here. Only references, patient keys, counts and
 * settings appear in them: they are written into Temporal's history in clear.
 */

/** Each stage's result says whether it was taken from the store, and how long the work took when it was done. */
export const outcome = {
  reused: z.boolean(),
  seconds: z.number().nonnegative(),
  /** Of the manifest that holds it; absent in results of older versions. */
  key: MemoKey.optional(),
  /** Why the work was done, where it was. */
  cause: MemoCause.optional(),
};
const split = z.enum(['train', 'val', 'test']);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** Artifact `dataset-spec`: where the data is and who is in it. It names patients, so it lies in the store, not in a history. */
export const DatasetSpec = z.strictObject({ source: SourceConfig, dataset: DatasetConfig });
export type DatasetSpec = z.infer<typeof DatasetSpec>;

// fingerprint (io) ---------------------------------------------------------------------------------------------------
export const FingerprintInput = z.strictObject({ spec: ArtifactRef });
export type FingerprintInput = z.infer<typeof FingerprintInput>;
/** A digest of names, sizes and times (or ETag) of the source: it changes when the data may have changed. */
export const FingerprintResult = z.strictObject({ fingerprint: digest });
export type FingerprintResult = z.infer<typeof FingerprintResult>;

// download (io) ------------------------------------------------------------------------------------------------------
export const DownloadInput = z.strictObject({ spec: ArtifactRef });
export type DownloadInput = z.infer<typeof DownloadInput>;
/** `name` is what messages say; `path` (in the source) may name the patient and stays in the store. */
const storedFile = z.strictObject({ name: z.string(), path: z.string(), ref: ArtifactRef });
/** Artifact `patient-files`: one patient's files in the store. */
export const PatientFiles = z.strictObject({
  patient: PatientKey,
  image: z.array(storedFile).min(1),
  mask: storedFile.nullable(),
  /** File values that become 1, that become 2, ... in the mask; null: every value but zero becomes 1. */
  labels: z.array(z.array(z.int()).min(1)).nullable(),
});
export type PatientFiles = z.infer<typeof PatientFiles>;
export const DownloadResult = z.strictObject({
  patients: z.array(z.strictObject({ patient: PatientKey, files: ArtifactRef, split: split.nullable() })),
  fingerprint: z.string(),
  files: z.int(),
  bytes: z.int(),
  /** What the data set says of its own use, as text; null where it says nothing, and in older results. */
  licence: ArtifactRef.nullable().default(null),
  ...outcome,
});
export type DownloadResult = z.infer<typeof DownloadResult>;

// import model (io, part of download) --------------------------------------------------------------------------------
export const ModelRef = z.strictObject({
  name: z.string(),
  /** The configuration's `model.checkpoint`; of the hub, with the commit that every file is of. Null in older results. */
  origin: z.string().nullable().default(null),
  config: ArtifactRef,
  preprocessor: ArtifactRef,
  weights: ArtifactRef,
  /** The tensors that are not the image encoder's once more, for work on kept embeddings; absent in results of older versions. */
  decoder: ArtifactRef.optional(),
  /** [C, h, w] of one slice's embedding: what one slice weighs, so that shards can be cut to size. */
  embeddingShape: z.tuple([z.int().positive(), z.int().positive(), z.int().positive()]),
  /** How it is run, as the configuration says; absent in results of older versions. */
  inputSize: z.int().positive().optional(),
  precision: ModelConfig.shape.precision.optional(),
  device: DeviceConfig.optional(),
});
export type ModelRef = z.infer<typeof ModelRef>;
export const ImportModelInput = z.strictObject({ ...ModelConfig.shape, device: DeviceConfig.default('cpu') });
export type ImportModelInput = z.infer<typeof ImportModelInput>;
export const ImportModelResult = z.strictObject({ model: ModelRef, ...outcome });
export type ImportModelResult = z.infer<typeof ImportModelResult>;

// convert (cpu), one patient -----------------------------------------------------------------------------------------
export const ConvertInput = z.strictObject({ patient: PatientKey, files: ArtifactRef });
export type ConvertInput = z.infer<typeof ConvertInput>;
export const ConvertResult = z.strictObject({
  patient: PatientKey,
  /** safetensors: `image` I16|F32 [Z, Y, X], `mask` U8 [Z, Y, X] of 0..K (where there is one), canonical RAS+; geometry in the metadata. */
  volume: ArtifactRef,
  /** Canonical (RAS+) [X, Y, Z]. */
  shape: z.tuple([z.int(), z.int(), z.int()]),
  spacingMm: z.tuple([z.number(), z.number(), z.number()]),
  /** Axis codes of the file's own grid, e.g. `LPS`. */
  axisCodes: z.string(),
  foregroundVoxels: z.int().nullable(),
  /** SHA-256 of the image's voxels as float32, x fastest: the scan's content, whatever form `volume` has. */
  voxels: digest,
  /** Values other than 0 that the mask holds, in order. */
  labelsPresent: z.array(z.int()),
  /** What was mended, one sentence each (e.g. voxel size 0 taken from the affine). */
  repairs: z.array(z.string()),
  ...outcome,
});
export type ConvertResult = z.infer<typeof ConvertResult>;

// slice (cpu), one patient -------------------------------------------------------------------------------------------
export const SliceInput = z.strictObject({ patient: PatientKey, volume: ArtifactRef, slices: ChosenSlices });
export type SliceInput = z.infer<typeof SliceInput>;
export const SliceResult = z.strictObject({
  patient: PatientKey,
  /** safetensors, for each plane: pixels U8 [N, H, W], masks U8 [N, H, W], index I32 [N] (position along the axis). */
  slices: ArtifactRef,
  count: z.int().nonnegative(),
  /** Slices of the volume before the filter. */
  total: z.int().nonnegative(),
  ...outcome,
});
export type SliceResult = z.infer<typeof SliceResult>;

// split (cpu) --------------------------------------------------------------------------------------------------------
export const SplitInput = z.strictObject({
  patients: z.array(
    z.strictObject({
      patient: PatientKey,
      /** `voxels` of convert: it ranks the patient. */
      digest,
      /** `labelsPresent` of convert: by these the split is stratified. */
      labels: z.array(z.int()),
      slices: ArtifactRef,
      split: split.nullable(),
    }),
  ),
  split: SplitSettings,
});
export type SplitInput = z.infer<typeof SplitInput>;
export const Parts = z.strictObject({
  train: z.array(PatientKey),
  val: z.array(PatientKey),
  test: z.array(PatientKey),
});
export type Parts = z.infer<typeof Parts>;
/** Artifact `split` (JSON). */
export const SplitRecord = z.strictObject({
  setting: SplitSettings,
  split: Parts,
  /** What the leak audit compared. */
  audit: z.strictObject({ patients: z.int(), slices: z.int(), blank: z.int() }),
});
export type SplitRecord = z.infer<typeof SplitRecord>;
export const SplitResult = z.strictObject({
  ...Parts.shape,
  /** Artifact `split`: the record, with the leak audit. */
  record: ArtifactRef,
  ...outcome,
});
export type SplitResult = z.infer<typeof SplitResult>;

// encode (gpu), one shard of one patient's slices --------------------------------------------------------------------
export const EncodeShardInput = z.strictObject({
  model: ModelRef,
  slices: ArtifactRef,
  /** Slice rows [from, to). */
  from: z.int().nonnegative(),
  to: z.int().positive(),
});
export type EncodeShardInput = z.infer<typeof EncodeShardInput>;
export const EncodeShardResult = z.strictObject({
  /** safetensors: `embeddings` F16 [to - from, C, h, w]. */
  embeddings: ArtifactRef,
  from: z.int(),
  to: z.int(),
  ...outcome,
});
export type EncodeShardResult = z.infer<typeof EncodeShardResult>;
/** Embeddings of slice rows [from, to): artifact `embeddings`, or `embedding-index` where many shards stand in one list. */
export const EmbeddingPiece = z.strictObject({ embeddings: ArtifactRef, from: z.int(), to: z.int() });
export type EmbeddingPiece = z.infer<typeof EmbeddingPiece>;
/** Artifact `embedding-index` (JSON): shards in order, so that thousands of references need not travel. */
export const EmbeddingIndex = z.array(EmbeddingPiece).min(1);
export const IndexEmbeddingsInput = z.strictObject({ shards: EmbeddingIndex });
export type IndexEmbeddingsInput = z.infer<typeof IndexEmbeddingsInput>;
export const IndexEmbeddingsResult = z.strictObject({ index: ArtifactRef });
export type IndexEmbeddingsResult = z.infer<typeof IndexEmbeddingsResult>;
/** A patient's slices with their embeddings: what the later stages read. */
export const EncodedPatient = z.strictObject({
  patient: PatientKey,
  slices: ArtifactRef,
  shards: z.array(EmbeddingPiece),
});
export type EncodedPatient = z.infer<typeof EncodedPatient>;
export const EncodeInput = z.strictObject({
  model: ModelRef,
  patients: z.array(z.strictObject({ patient: PatientKey, slices: ArtifactRef, count: z.int() })),
  shardSlices: z.int().positive(),
});
export type EncodeInput = z.infer<typeof EncodeInput>;
export const EncodeResult = z.strictObject({
  patients: z.array(EncodedPatient),
  /** The first shards' manifests: enough to explain by, and few enough for a history. */
  uses: z.array(MemoUse).optional(),
  ...outcome,
});
export type EncodeResult = z.infer<typeof EncodeResult>;

// fine-tune (gpu) ----------------------------------------------------------------------------------------------------
export const FineTuneInput = z.strictObject({
  model: ModelRef,
  train: z.array(EncodedPatient),
  val: z.array(EncodedPatient),
  prompts: PromptsConfig,
  training: TrainingConfig,
  /** Epochs there are to be in all, on the schedule of `training.epochs`; default: those. */
  until: z.int().positive().optional(),
  /** Ends with the whole epochs that are in its checkpoints, at least one. */
  stop: z.boolean().optional(),
  branch: Branch.optional(),
});
export type FineTuneInput = z.infer<typeof FineTuneInput>;
/** Heartbeat details of fine-tune: a pointer and the figures that a person wants to see, never data. */
export const FineTuneProgress = z.strictObject({
  step: z.int(),
  steps: z.int(),
  epoch: z.int(),
  epochs: z.int(),
  trainLoss: z.number().nullable(),
  valDice: z.number().nullable(),
  secondsLeft: z.number().nullable(),
  checkpoint: ArtifactRef.nullable(),
  /** The attempt that kept a checkpoint last; in heartbeats only. */
  movedAt: z.int().positive().optional(),
});
export type FineTuneProgress = z.infer<typeof FineTuneProgress>;
export const FineTuneResult = z.strictObject({
  /** safetensors of the trained tensors under their Hugging Face names, best epoch by validation loss. */
  weights: ArtifactRef,
  /** Artifact `curves` (JSON, `Curves`). */
  curves: ArtifactRef,
  steps: z.int(),
  bestEpoch: z.int(),
  bestValLoss: z.number(),
  ...outcome,
});
export type FineTuneResult = z.infer<typeof FineTuneResult>;

// train proposer (gpu, part of fine-tune) ----------------------------------------------------------------------------
export const TrainProposerInput = z.strictObject({
  model: ModelRef,
  train: z.array(EncodedPatient),
  val: z.array(EncodedPatient),
  prompts: PromptsConfig,
  /** How many structures the masks have: 1 to so many. */
  structures: z.int().min(1).max(255),
  seed: z.int().nonnegative(),
});
export type TrainProposerInput = z.infer<typeof TrainProposerInput>;
export const TrainProposerResult = z.strictObject({
  /** safetensors: see lib/training/proposer-format.ts. */
  proposer: ArtifactRef,
  /** On the validation slices, with the thresholds chosen on them: see docs/reference/metrics.md. */
  figures: z.strictObject({ valBoxIou: z.number(), recall: z.number(), falsePerSlice: z.number() }),
  steps: z.int(),
  bestStep: z.int(),
  ...outcome,
});
export type TrainProposerResult = z.infer<typeof TrainProposerResult>;

export const Curves = z.strictObject({
  /** Before the first step: what every epoch has to beat. */
  start: z.strictObject({ valLoss: z.number(), valDice: z.number() }),
  epochs: z.array(
    z.strictObject({
      epoch: z.int(),
      trainLoss: z.number(),
      valLoss: z.number(),
      valDice: z.number(),
      learningRate: z.number(),
    }),
  ),
});
export type Curves = z.infer<typeof Curves>;

// evaluate (gpu) -----------------------------------------------------------------------------------------------------
const scannedPatient = z.strictObject({ ...EncodedPatient.shape, volume: ArtifactRef });
/** What is scored by itself: a label of the mask, or (null) everything that is not background. */
export const Structure = z.strictObject({ name: z.string(), label: z.int().positive().max(255).nullable() });
export type Structure = z.infer<typeof Structure>;
export const EvaluateInput = z.strictObject({
  model: ModelRef,
  weights: ArtifactRef,
  test: z.array(scannedPatient),
  prompts: PromptsConfig,
  evaluation: EvaluationConfig.prefault({}),
  structures: z.array(Structure).min(1),
  /** The validation patients: post-processing is chosen on them. Without any there is nothing to choose by, and none is. */
  val: z.array(scannedPatient).default([]),
});
export type EvaluateInput = z.infer<typeof EvaluateInput>;
/** A plane that slices are cut in. */
export const SliceAxis = z.enum(['axial', 'coronal', 'sagittal']);
export const Overlap = z.strictObject({ dice: z.number(), iou: z.number() });
export type Overlap = z.infer<typeof Overlap>;
/** One structure over a whole volume: docs/reference/metrics.md. Distances are null on a grid whose axes are not at right angles. */
export const VolumeScores = z.strictObject({
  ...Overlap.shape,
  precision: z.number(),
  recall: z.number(),
  truthMl: z.number(),
  predictedMl: z.number(),
  volumeErrorMl: z.number(),
  volumeErrorPercent: z.number(),
  hdMm: z.number().nullable(),
  hd95Mm: z.number().nullable(),
  assdMm: z.number().nullable(),
  /** At each of `evaluation.tolerancesMm`. */
  nsd: z.array(z.number()).nullable(),
});
export type VolumeScores = z.infer<typeof VolumeScores>;
const spread = z.strictObject({
  mean: z.number(),
  median: z.number(),
  /** 95 % bootstrap interval of the mean; null for a single patient. */
  interval: z.tuple([z.number(), z.number()]).nullable(),
});
/** One metric over the same patients, before and after; as in lib/metrics/compare.ts. */
export const Comparison = z.strictObject({
  metric: z.string(),
  better: z.enum(['higher', 'lower']),
  patients: z.int(),
  before: spread,
  after: spread,
  change: spread,
  improved: z.int(),
  worsened: z.int(),
  p: z.number().nullable(),
});
export type Comparison = z.infer<typeof Comparison>;
export const StructureSummary = z.strictObject({
  structure: z.string(),
  /** Zero-shot against fine-tuned. */
  fineTuning: z.array(Comparison),
  /** Fine-tuned as it comes against post-processed; null where nothing is done. */
  postProcessing: z.array(Comparison).nullable(),
});
export type StructureSummary = z.infer<typeof StructureSummary>;
/** What was tried on the validation patients, and what was taken; the test patients have no part in it. */
export const PostProcessChoice = z.strictObject({
  rule: PostProcessConfig.nullable(),
  by: z.enum(['validation', 'configuration', 'nothing']),
  patients: z.array(PatientKey),
  /** Mean Dice over these patients. */
  tried: z.array(z.strictObject({ rule: PostProcessConfig, dice: z.number() })),
});
export type PostProcessChoice = z.infer<typeof PostProcessChoice>;
/** Of one kind of prompts. */
export const BothModels = z.strictObject({ zeroShot: Overlap, fineTuned: Overlap });
/** Artifact `evaluation` (JSON). Boxes come from the truth (oracle): an upper bound, and said so wherever shown. */
export const Evaluation = z.strictObject({
  prompts: z.literal('oracle'),
  zeroShot: Overlap,
  fineTuned: Overlap,
  /** The same with boxes drawn as in training; absent where those are the same, and in older evaluations. */
  jittered: BothModels.optional(),
  patients: z.array(
    z.strictObject({
      patient: PatientKey,
      /** Over the whole volume, on the scan's own grid. */
      zeroShot: Overlap,
      fineTuned: Overlap,
      jittered: BothModels.optional(),
      /** In the order of `volumes.structures`; absent in older evaluations, as `volumes` is. */
      structures: z
        .array(
          z.strictObject({ zeroShot: VolumeScores, fineTuned: VolumeScores, postProcessed: VolumeScores.nullable() }),
        )
        .optional(),
      slices: z.array(
        z.strictObject({
          /** Row of the slices artifact, plane, and position along the slice axis. */
          row: z.int(),
          axis: SliceAxis,
          index: z.int(),
          boxes: z.array(z.tuple([z.number(), z.number(), z.number(), z.number()])),
          zeroShot: Overlap,
          fineTuned: Overlap,
        }),
      ),
      /** safetensors: for each plane and model labels U8 [N, H, W], rows as in the slices artifact; not post-processed. */
      predictions: ArtifactRef,
    }),
  ),
  volumes: z
    .strictObject({
      setting: EvaluationConfig,
      structures: z.array(Structure),
      summaries: z.array(StructureSummary),
      postProcess: PostProcessChoice,
      /** What so few patients cannot say. */
      note: z.string().nullable(),
    })
    .optional(),
});
export type Evaluation = z.infer<typeof Evaluation>;
export const EvaluateResult = z.strictObject({
  evaluation: ArtifactRef,
  /** Those of the evaluation's patients: named here too, so that a result of which one is gone is made again. */
  predictions: z.array(ArtifactRef),
  zeroShot: Overlap,
  fineTuned: Overlap,
  jittered: BothModels.optional(),
  summaries: z.array(StructureSummary).optional(),
  /** What inference is to do to its masks. */
  postProcess: PostProcessConfig.nullable().optional(),
  ...outcome,
});
export type EvaluateResult = z.infer<typeof EvaluateResult>;

// infer (gpu) --------------------------------------------------------------------------------------------------------
/** Artifact `model-package` (JSON): all that inference needs, and where it came from. */
export const ModelPackage = z.strictObject({
  name: z.string(),
  target: z.string(),
  model: ModelRef,
  weights: ArtifactRef,
  /** The box proposer that learned beside it, where `prompts.automatic` asks for one. */
  proposer: ArtifactRef.nullable().default(null),
  slices: ChosenSlices,
  prompts: PromptsConfig,
  /** What the values of its masks mean. */
  structures: z.array(Structure).min(1),
  /** Where each structure lay in training, plane by plane: the `prior` for scans without truth. */
  priors: z.array(
    z.strictObject({
      axis: SliceAxis,
      label: z.int().positive(),
      /** Fractions of the volume's extent along the slice axis where the target was seen. */
      fromFraction: z.number(),
      toFraction: z.number(),
      /** x0, y0, x1, y1 as fractions of the body's bounding box. */
      boxFraction: z.tuple([z.number(), z.number(), z.number(), z.number()]),
    }),
  ),
  metrics: z.strictObject({ zeroShot: Overlap, fineTuned: Overlap }),
  /** What is done to its masks, as chosen on the validation patients, and how masks are scored. Not in older packages. */
  postProcess: PostProcessConfig.nullable().default(null),
  evaluation: EvaluationConfig.prefault({}),
  /** Patients the model has learned from, weights (train) or epoch (val): it must never be scored on them. */
  learnedFrom: z.array(PatientKey),
  /** Patients the model was tested on. */
  heldOut: z.array(PatientKey),
  fingerprint: z.string(),
});
export type ModelPackage = z.infer<typeof ModelPackage>;
export const InferInput = z.strictObject({
  package: ArtifactRef,
  patient: PatientKey,
  volume: ArtifactRef,
  /** Whether the probabilities are wanted beside the mask. */
  probability: z.boolean().optional(),
});
export type InferInput = z.infer<typeof InferInput>;
export const InferResult = z.strictObject({
  patient: PatientKey,
  /** A gzipped NIfTI label map (uint8, the structures' names in the header) on the scan's own grid. */
  mask: ArtifactRef,
  /** A gzipped NIfTI file (float32) of the probability of any structure on the same grid, where it was asked for. */
  probability: ArtifactRef.optional(),
  foregroundVoxels: z.int(),
  /** Slices that had a prompt. */
  promptedSlices: z.int(),
  prompts: z.enum(['lungs', 'prior', 'image', 'proposer']),
  /** Whether they only started a propagation; absent in older results. */
  propagated: z.boolean().optional(),
  /** Against the truth, where the volume has one: automatic prompts, never mixed with oracle scores. */
  overlap: Overlap.nullable(),
  /** All metrics of the mask, structure by structure, and the overlap before it was post-processed. */
  scores: z.array(VolumeScores).nullable(),
  postProcess: PostProcessConfig.nullable().optional(),
  overlapBefore: Overlap.nullable(),
  ...outcome,
});
export type InferResult = z.infer<typeof InferResult>;

// package (cpu) ------------------------------------------------------------------------------------------------------
export const PackageInput = z.strictObject({
  name: z.string(),
  target: z.string(),
  structures: z.array(Structure).min(1),
  model: ModelRef,
  weights: ArtifactRef,
  metrics: z.strictObject({ zeroShot: Overlap, fineTuned: Overlap }),
  postProcess: PostProcessConfig.nullable().default(null),
  evaluation: EvaluationConfig.prefault({}),
  proposer: ArtifactRef.nullable().default(null),
  slices: ChosenSlices,
  prompts: PromptsConfig,
  /** Slices of the training patients: the prior is drawn from them. */
  train: z.array(z.strictObject({ patient: PatientKey, slices: ArtifactRef })),
  learnedFrom: z.array(PatientKey),
  heldOut: z.array(PatientKey),
  fingerprint: z.string(),
});
export type PackageInput = z.infer<typeof PackageInput>;
export const PackageResult = z.strictObject({ package: ArtifactRef, ...outcome });
export type PackageResult = z.infer<typeof PackageResult>;

// report (cpu) -------------------------------------------------------------------------------------------------------
export const ReportInput = z.strictObject({
  title: z.string(),
  run: z.string(),
  target: z.string(),
  settings: z.record(z.string(), z.unknown()),
  split: SplitResult,
  evaluation: ArtifactRef,
  curves: ArtifactRef,
  bestEpoch: z.int(),
  /** Slices of the unseen patients: the pictures come from them. */
  test: z.array(z.strictObject({ patient: PatientKey, slices: ArtifactRef })),
  infer: z.array(InferResult),
  weights: ArtifactRef,
  /** Every artifact of the run in the order it was made. */
  lineage: z.array(z.strictObject({ stage: z.string(), artifact: ArtifactRef, seconds: z.number() })),
});
export type ReportInput = z.infer<typeof ReportInput>;
export const ReportResult = z.strictObject({ report: ArtifactRef, ...outcome });
export type ReportResult = z.infer<typeof ReportResult>;

// record run (io): what is known of a run under its id, for the time after Temporal's retention ------------------------
export const RecordRunInput = z.strictObject({
  run: z.string(),
  /** Absent where there is none to record: a retraining's says nothing that its run's does not. */
  result: z.unknown().optional(),
  /** `RunLineage`; absent in runs of older versions. */
  lineage: z.unknown().optional(),
  /** `RunLineage` of a run that failed. */
  failure: z.unknown().optional(),
});
export type RecordRunInput = z.infer<typeof RecordRunInput>;

// registry (io): which model serves under a name -----------------------------------------------------------------------
/** What the last retraining looked at, so that the next one ends at once when nothing is new. */
const Seen = z.strictObject({
  fingerprint: z.string(),
  settings: z.string(),
  /** SHA-256 of the `dataset-spec`: who is in the data set, and which labels count. Absent in records of older versions. */
  spec: z.string().optional(),
});
/** That somebody has said yes. People are `samflow:account@machine`, as clients name themselves. */
export const Promotion = z.strictObject({
  by: z.string(),
  /** ISO 8601, by the clock of who said it. */
  at: z.string(),
  /** Who had set up the retraining. */
  author: z.string(),
  /** SHA-256 of what was said yes to: the model and both scores. */
  metrics: z.string(),
  /** The champion's record before: artifact `champion-record`. */
  before: ArtifactRef.nullable(),
  /** Ed25519, base64, over all of the above; and which key it was. */
  signature: z.strictObject({ key: z.string(), value: z.string() }).optional(),
});
export type Promotion = z.infer<typeof Promotion>;
/** `models/<name>/champion.json`: which model serves; it changes by If-Match only. */
export const Champion = z.strictObject({
  package: ArtifactRef,
  /** Workflow id of the run that made it. */
  run: z.string(),
  seen: Seen,
  /** Absent where a schedule has promoted it, by its scores alone. */
  promotion: Promotion.optional(),
});
export type Champion = z.infer<typeof Champion>;
/** A challenger that is better than the champion, and waits until somebody else says yes. */
export const Proposal = z.strictObject({
  package: ArtifactRef,
  run: z.string(),
  author: z.string(),
  /** Dice of both on the same unseen patients; of the champion's null where there was none. */
  champion: z.number().nullable(),
  challenger: z.number(),
  /** ETag of the champion that it was measured against; null where there was none. */
  against: z.string().nullable(),
  metrics: z.string(),
});
export type Proposal = z.infer<typeof Proposal>;
/** `models/<name>/candidate.json`, where promotions need a yes: also changed by If-Match only. */
export const Candidate = z.strictObject({ seen: Seen, proposal: Proposal.nullable() });
export type Candidate = z.infer<typeof Candidate>;
export const ReadChampionInput = z.strictObject({
  name: z.string(),
  /** Digested into `settings` of the answer. */
  settings: z.record(z.string(), z.unknown()),
  /** Whether the candidate is wanted too. */
  candidate: z.boolean().optional(),
});
export type ReadChampionInput = z.infer<typeof ReadChampionInput>;
export const ReadChampionResult = z.strictObject({
  champion: Champion.nullable(),
  model: ModelPackage.nullable(),
  etag: z.string().nullable(),
  settings: z.string(),
  /** Where it was asked for. */
  candidate: z.strictObject({ value: Candidate, etag: z.string() }).nullable().optional(),
});
export type ReadChampionResult = z.infer<typeof ReadChampionResult>;
export const PromoteInput = z.strictObject({
  name: z.string(),
  champion: Champion,
  /** The pointer's ETag as read before the comparison; null where there was none. */
  etag: z.string().nullable(),
});
export type PromoteInput = z.infer<typeof PromoteInput>;
export const PromoteResult = z.strictObject({ etag: z.string() });
export const ProposeInput = z.strictObject({
  name: z.string(),
  candidate: Candidate.extend({ proposal: Proposal.omit({ metrics: true }).nullable() }),
  /** The candidate's ETag as read before the comparison; null where there was none. */
  etag: z.string().nullable(),
});
export type ProposeInput = z.infer<typeof ProposeInput>;
export type PromoteResult = z.infer<typeof PromoteResult>;
