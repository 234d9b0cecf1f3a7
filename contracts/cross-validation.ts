import { z } from 'zod';
import { ArtifactRef, PatientKey } from './artifact.ts';
import { EvaluationConfig, PostProcessConfig, SplitConfig } from './config.ts';
import { Asked, Metrics, PipelineInput, PipelineResult, RunSettings, StageSummary } from './pipeline.ts';
import { Evaluation, Overlap, outcome, Parts, Structure, StructureSummary } from './stages.ts';

/** A pipeline for each fold of the patients, and their scores pooled: every patient counts once. */

export const CrossValidationInput = PipelineInput.extend({
  settings: RunSettings.extend({ split: SplitConfig.required({ folds: true }) }),
});
export type CrossValidationInput = z.infer<typeof CrossValidationInput>;

/** What the pool needs of a fold's run. */
export const FoldRun = z.strictObject({
  /** Its workflow id. */
  run: z.string(),
  /** Artifact `split` (JSON, `SplitRecord`): the keys of all patients, in each of many folds, would be too much for a history. */
  split: ArtifactRef,
  evaluation: ArtifactRef,
  report: ArtifactRef,
  /** Of the unseen patients' masks, made without help from the truth. */
  automatic: z.array(z.strictObject({ patient: PatientKey, overlap: Overlap.nullable() })),
  /** Where its training was stopped early or extended: then the folds are not quite alike. */
  asked: Asked.optional(),
});
export type FoldRun = z.infer<typeof FoldRun>;

// pool (cpu) ---------------------------------------------------------------------------------------------------------
export const PoolInput = z.strictObject({
  title: z.string(),
  run: z.string(),
  target: z.string(),
  settings: z.record(z.string(), z.unknown()),
  folds: z.array(FoldRun).min(2),
});
export type PoolInput = z.infer<typeof PoolInput>;
export const PoolResult = z.strictObject({
  /** Artifact `cross-validation` (JSON, `CrossValidation`). */
  crossValidation: ArtifactRef,
  report: ArtifactRef,
  metrics: Metrics,
  summaries: z.array(StructureSummary),
  ...outcome,
});
export type PoolResult = z.infer<typeof PoolResult>;

const scoredPatient = Evaluation.shape.patients.element;
/** Artifact `cross-validation` (JSON). Boxes come from the truth (oracle), as in `Evaluation`. */
export const CrossValidation = z.strictObject({
  prompts: z.literal('oracle'),
  /** Means over all patients, each scored by the model of the fold that never saw it. */
  ...Metrics.shape,
  patients: z.array(
    z.strictObject({
      patient: PatientKey,
      /** From 1. */
      fold: z.int().positive(),
      zeroShot: Overlap,
      fineTuned: Overlap,
      /** With boxes made without the truth; another question, never mixed with the scores beside it. */
      automatic: Overlap.nullable(),
      structures: scoredPatient.shape.structures.unwrap(),
    }),
  ),
  folds: z.array(
    z.strictObject({
      ...FoldRun.omit({ automatic: true, split: true }).shape,
      ...Parts.shape,
      ...Metrics.shape,
      /** What its validation patients chose. */
      postProcess: PostProcessConfig.nullable(),
    }),
  ),
  setting: EvaluationConfig,
  structures: z.array(Structure),
  summaries: z.array(StructureSummary),
  note: z.string().nullable(),
});
export type CrossValidation = z.infer<typeof CrossValidation>;

// result -------------------------------------------------------------------------------------------------------------
export const CrossValidationResult = z.strictObject({
  run: z.string(),
  name: z.string(),
  target: z.string(),
  stages: z.array(StageSummary),
  metrics: Metrics,
  summaries: z.array(StructureSummary),
  folds: z.array(z.strictObject({ run: z.string(), test: z.array(PatientKey), metrics: Metrics, report: ArtifactRef })),
  fingerprint: z.string(),
  crossValidation: ArtifactRef,
  report: ArtifactRef,
  repairs: z.array(z.string()),
});
export type CrossValidationResult = z.infer<typeof CrossValidationResult>;

/** What `samflow run` gives: of one run, or of a cross-validation. */
export const RunResult = z.union([PipelineResult, CrossValidationResult]);
export type RunResult = z.infer<typeof RunResult>;
