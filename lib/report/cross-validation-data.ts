import type { PostProcess, ScoredStructure, Scores, VolumeEvaluation } from './report-data.ts';

/** What the report of a cross-validation is made from; see report-data.ts for what holds of both. */
export interface CrossValidationData extends Pick<VolumeEvaluation, 'setting' | 'structures' | 'summaries' | 'note'> {
  readonly title: string;
  readonly run: string;
  readonly target: string;
  /** Means over all patients, with boxes from the truth. */
  readonly zeroShot: Scores;
  readonly fineTuned: Scores;
  readonly patients: readonly PooledPatient[];
  /** In their order, the first one is fold 1. */
  readonly folds: readonly Fold[];
  /** As in a run's report, with `model.checkpoint`. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly createdFrom: { readonly name: string; readonly sha256: string };
}

export interface PooledPatient {
  readonly patient: string;
  /** From 1. */
  readonly fold: number;
  readonly zeroShot: Scores;
  readonly fineTuned: Scores;
  /** With boxes made without the truth; null where there are none. */
  readonly automatic: Scores | null;
  /** In the order of `structures`. */
  readonly structures: readonly ScoredStructure[];
}

export interface Fold {
  /** Id of the fold's run: `<run>/fold-1`. */
  readonly run: string;
  readonly train: readonly string[];
  readonly val: readonly string[];
  readonly test: readonly string[];
  readonly zeroShot: Scores;
  readonly fineTuned: Scores;
  /** What the fold's validation patients chose to be done to its masks. */
  readonly postProcess: PostProcess | null;
  /** What was asked of its training while it was at work. */
  readonly asked?: { readonly stoppedEarly?: true | undefined; readonly extendedTo?: number | undefined } | undefined;
}
