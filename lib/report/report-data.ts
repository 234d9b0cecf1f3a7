/**
 * What a report is made from: plain data, read from artifacts by the caller. Nothing here holds the time of day or a name of
 * a machine, so the same data always gives the same bytes. Patients appear under their pseudonyms.
 */
export interface Scores {
  readonly dice: number;
  readonly iou: number;
}

/** [x0, y0, x1, y1] in pixels of the slice, x along columns; pixel (x, y) covers [x, x + 1) × [y, y + 1). */
export type Box = readonly [number, number, number, number];

/** A plane that slices are cut in. */
export type SliceAxis = 'axial' | 'coronal' | 'sagittal';

/** One scored slice: its row in the slices artifact, its plane and position there, and the boxes that prompted it. */
export interface ScoredSlice {
  readonly row: number;
  readonly axis: SliceAxis;
  readonly index: number;
  readonly boxes: readonly Box[];
  readonly zeroShot: Scores;
  readonly fineTuned: Scores;
}

/** Every metric of one structure over a whole volume: docs/reference/metrics.md. Null on a sheared grid. */
export interface VolumeScores extends Scores {
  readonly precision: number;
  readonly recall: number;
  readonly truthMl: number;
  readonly predictedMl: number;
  readonly volumeErrorPercent: number;
  readonly hdMm: number | null;
  readonly hd95Mm: number | null;
  readonly assdMm: number | null;
  /** At each of the setting's tolerances. */
  readonly nsd: readonly number[] | null;
}

export interface ScoredStructure {
  readonly zeroShot: VolumeScores;
  readonly fineTuned: VolumeScores;
  /** Null where nothing is done to the masks. */
  readonly postProcessed: VolumeScores | null;
}

export interface Spread {
  readonly mean: number;
  readonly median: number;
  /** 95 % bootstrap interval of the mean. */
  readonly interval: readonly [low: number, high: number] | null;
}

/** One metric of two models over the same patients. */
export interface Comparison {
  readonly metric: string;
  readonly patients: number;
  readonly before: Spread;
  readonly after: Spread;
  readonly change: Spread;
  readonly improved: number;
  readonly worsened: number;
  readonly p: number | null;
}

export interface PostProcess {
  readonly fillHoles: boolean;
  readonly minComponentMm3: number;
  readonly largestComponent: boolean;
}

export interface VolumeEvaluation {
  readonly setting: { readonly surface: 'sub-voxel' | 'voxel-edge'; readonly tolerancesMm: readonly number[] };
  readonly structures: readonly { readonly name: string }[];
  /** In the order of the structures. */
  readonly summaries: readonly {
    readonly structure: string;
    readonly fineTuning: readonly Comparison[];
    readonly postProcessing: readonly Comparison[] | null;
  }[];
  readonly postProcess: {
    readonly rule: PostProcess | null;
    readonly by: 'validation' | 'configuration' | 'nothing';
    readonly patients: readonly string[];
    readonly tried: readonly { readonly rule: PostProcess; readonly dice: number }[];
  };
  /** What so few patients cannot say. */
  readonly note: string | null;
}

export interface ScoredPatient {
  readonly patient: string;
  /** Over the whole volume, on the scan's own grid. */
  readonly zeroShot: Scores;
  readonly fineTuned: Scores;
  /** In the order of `volumes.structures`; absent in evaluations of older versions. */
  readonly structures?: readonly ScoredStructure[] | undefined;
  readonly slices: readonly ScoredSlice[];
}

/** Scores on the unseen patients with boxes from the truth (oracle prompts): an upper bound. */
export interface OracleEvaluation {
  readonly zeroShot: Scores;
  readonly fineTuned: Scores;
  /** The same with boxes drawn as in training; absent where those are the same, and in evaluations of older versions. */
  readonly jittered?: { readonly zeroShot: Scores; readonly fineTuned: Scores } | undefined;
  readonly patients: readonly ScoredPatient[];
  /** Absent in evaluations of older versions. */
  readonly volumes?: VolumeEvaluation | undefined;
}

export const RANKS = ['best', 'median', 'worst'] as const;
export type Rank = (typeof RANKS)[number];

/** A slice that the report shows, and why. */
export interface SlicePick extends ScoredSlice {
  readonly rank: Rank;
  readonly patient: string;
}

/** A picked slice with its pixels. All arrays are U8 [height, width], row by row; masks are foreground where not zero. */
export interface SlicePicture {
  readonly pick: SlicePick;
  readonly height: number;
  readonly width: number;
  readonly pixels: Uint8Array;
  readonly truth: Uint8Array;
  readonly zeroShot: Uint8Array;
  readonly fineTuned: Uint8Array;
  /** Millimetres from column to column and from row to row: gives true proportions and a scale bar. Null: square pixels. */
  readonly spacingMm: readonly [x: number, y: number] | null;
}

/** A scan segmented with prompts that were made without the truth. */
export interface AutomaticResult {
  readonly patient: string;
  /** The rule that made the boxes, e.g. `prior`. */
  readonly prompts: string;
  readonly promptedSlices: number;
  /** Whether these boxes only started a propagation. */
  readonly propagated?: boolean | undefined;
  readonly foregroundVoxels: number;
  /** Null where the scan has no truth to compare with. */
  readonly overlap: Scores | null;
  /** Structure by structure. */
  readonly scores: readonly VolumeScores[] | null;
  readonly postProcess?: PostProcess | null | undefined;
  readonly overlapBefore: Scores | null;
}

export interface EpochScores {
  readonly epoch: number;
  readonly trainLoss: number;
  readonly valLoss: number;
  readonly valDice: number;
}

export interface ReportArtifact {
  readonly kind: string;
  readonly key: string;
  readonly sha256: string;
  readonly bytes: number;
}

export interface LineageEntry {
  readonly stage: string;
  readonly artifact: ReportArtifact;
  /** Time the work took when it was done; 0 on a further artifact of the same work, so that sums are true. */
  readonly seconds: number;
}

export interface ReportData {
  readonly title: string;
  readonly run: string;
  /** What is segmented, e.g. `lungs`. */
  readonly target: string;
  /** Name or folder of the checkpoint that was fine-tuned. */
  readonly model: string;
  readonly split: {
    readonly train: readonly string[];
    readonly val: readonly string[];
    readonly test: readonly string[];
  };
  readonly evaluation: OracleEvaluation;
  /** One for each pick of `pickSlices(evaluation)`, in that order. */
  readonly pictures: readonly SlicePicture[];
  readonly infer: readonly AutomaticResult[];
  readonly curves: {
    /** Before the first step. */
    readonly start: { readonly valLoss: number; readonly valDice: number };
    readonly epochs: readonly EpochScores[];
  };
  readonly bestEpoch: number;
  /** The run's settings, nested as they are written; shown as they stand, so they must not name a patient. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** The inputs that decide this report's content, e.g. evaluation, curves, split. */
  readonly createdFrom: readonly { readonly name: string; readonly sha256: string }[];
  /** The fine-tuned tensors; null hides how to load them. */
  readonly weights: ReportArtifact | null;
  /** Every artifact of the run in the order it was made. */
  readonly lineage: readonly LineageEntry[];
}
