import type { EvaluationConfig } from '../contracts/config.ts';
import type { Evaluation, Overlap, Structure, StructureSummary } from '../contracts/stages.ts';
import { fuseLabels } from '../lib/dataset/fuse-planes.ts';
import { random } from '../lib/dataset/random.ts';
import { type SliceStack, slicesOf } from '../lib/dataset/slices.ts';
import { decodeSlices } from '../lib/dataset/slices-record.ts';
import { decodeVolume, type PatientVolume } from '../lib/dataset/volume-record.ts';
import { compareScores } from '../lib/metrics/compare.ts';
import { overlap } from '../lib/metrics/overlap.ts';
import { scoreVolume, type VolumeScores } from '../lib/metrics/volume-scores.ts';
import { decodeSafetensors, encodeSafetensors, u8 } from '../lib/safetensors.ts';
import { largestSkew } from '../lib/volume/affine.ts';
import { cleanMask, type PostProcess } from '../lib/volume/clean-mask.ts';

/** Tasks for compute threads (see tasks.ts): predictions and volumes in their stored form in, scores out. */

export type ScoreSetting = Pick<EvaluationConfig, 'surface' | 'tolerancesMm'>;
type ScoredStructure = NonNullable<Evaluation['patients'][number]['structures']>[number];

/**
 * Scores both models' predictions slice by slice and over the whole volume, where a slice without a prediction counts as
 * empty: each structure with every metric, the fine-tuned one post-processed too, and the mean over the structures.
 */
export function score(o: {
  volume: Uint8Array;
  slices: Uint8Array;
  predictions: Uint8Array;
  structures: readonly Structure[];
  setting: ScoreSetting;
  postProcess: PostProcess | null;
}) {
  const stacks = decodeSlices(o.slices);
  const volume = decodeVolume(o.volume);
  const predictions = decodePredictions(o.predictions);
  const voxelsOf = (which: Which) => fuseLabels(planesOf(predictions, which, stacks), volume);
  const [zeroShot, fineTuned] = [voxelsOf('zeroShot'), voxelsOf('fineTuned')];
  const postProcessed = o.postProcess && cleanMask(fineTuned, volume.shape, volume.spacingMm, o.postProcess);
  const structures = o.structures.map(({ label }): ScoredStructure => {
    const scored = (voxels: Uint8Array) => volumeScores(voxels, volume, o.setting, label);
    return {
      zeroShot: scored(zeroShot),
      fineTuned: scored(fineTuned),
      postProcessed: postProcessed && scored(postProcessed),
    };
  });
  const overlaps = (which: Which) => ({
    volume: meanOverlap(structures.map((structure) => structure[which])),
    slices: sliceOverlaps(predictions, which, stacks, o.structures),
  });
  return { zeroShot: overlaps('zeroShot'), fineTuned: overlaps('fineTuned'), structures };
}

/** Both models' predictions over the whole volume: the mean over the structures. */
export function volumeOverlaps(o: {
  volume: Uint8Array;
  slices: Uint8Array;
  predictions: Uint8Array;
  structures: readonly Structure[];
}): Record<Which, Overlap> {
  const volume = decodeVolume(o.volume);
  const stacks = decodeSlices(o.slices);
  const predictions = decodePredictions(o.predictions);
  const of = (which: Which) =>
    overlapOfStructures(fuseLabels(planesOf(predictions, which, stacks), volume), volume.mask!, o.structures);
  return { zeroShot: of('zeroShot'), fineTuned: of('fineTuned') };
}

/** Dice of the fine-tuned model's masks under each rule, the mean over the structures. */
export function cleanedDices(o: {
  volume: Uint8Array;
  slices: Uint8Array;
  predictions: Uint8Array;
  structures: readonly Structure[];
  rules: readonly PostProcess[];
}): number[] {
  const volume = decodeVolume(o.volume);
  const planes = planesOf(decodePredictions(o.predictions), 'fineTuned', decodeSlices(o.slices));
  const voxels = fuseLabels(planes, volume);
  return o.rules.map((rule) => {
    const cleaned = cleanMask(voxels, volume.shape, volume.spacingMm, rule);
    return overlapOfStructures(cleaned, volume.mask!, o.structures).dice;
  });
}

/** The models over all patients, structure by structure. */
export function summarise(o: {
  /** [patient][structure] */
  patients: readonly (readonly ScoredStructure[])[];
  structures: readonly Structure[];
  setting: EvaluationConfig;
}): StructureSummary[] {
  const { tolerancesMm, seed } = o.setting;
  const draw = (...counters: number[]) => random(seed, ...counters);
  const compare = (pairs: { before: VolumeScores; after: VolumeScores }[]) => compareScores(pairs, tolerancesMm, draw);
  return o.structures.map(({ name }, at) => {
    const scored = o.patients.map((structures) => structures[at]!);
    const cleaned = scored.flatMap(({ fineTuned, postProcessed }) =>
      postProcessed ? [{ before: fineTuned, after: postProcessed }] : [],
    );
    return {
      structure: name,
      fineTuning: compare(scored.map(({ zeroShot, fineTuned }) => ({ before: zeroShot, after: fineTuned }))),
      postProcessing: cleaned.length > 0 ? compare(cleaned) : null,
    };
  });
}

/** Artifact `predictions`: what models made of a patient's slices. */
export type Predictions = ReadonlyMap<string, Uint8Array>;

/** The model as it came, and with the tensors that training changed. */
export type Which = 'zeroShot' | 'fineTuned';

/** Name of the labels U8 [N, H, W] of one model in one plane. */
const predictionName = (which: Which, { axis }: Pick<SliceStack, 'axis'>): string => `${which}.${axis}`;

/** Labels of each model, in the order of the rows, one array [H, W] a slice. */
export function encodePredictions(
  labels: ReadonlyMap<Which, readonly Uint8Array[]>,
  stacks: readonly Pick<SliceStack, 'axis' | 'index' | 'height' | 'width'>[],
): Uint8Array {
  const tensors = [...labels].flatMap(([which, rows]) => {
    let row = 0;
    return stacks.map(({ axis, index, height, width }) => {
      const data = new Uint8Array(index.length * height * width);
      for (const at of index.keys()) data.set(rows[row++]!, at * height * width);
      return [
        predictionName(which, { axis }),
        { dtype: 'U8' as const, shape: [index.length, height, width], data },
      ] as const;
    });
  });
  return encodeSafetensors(tensors);
}

export function decodePredictions(bytes: Uint8Array): Predictions {
  const { tensors } = decodeSafetensors(bytes, 'predictions');
  return new Map([...tensors].map(([name, tensor]) => [name, u8(tensor)]));
}

/** One model's labels with the stacks that they lie on. */
export const planesOf = (predictions: Predictions, which: Which, stacks: readonly SliceStack[]) =>
  stacks.map((stack) => ({ stack, values: predictions.get(predictionName(which, stack))! }));

/** Cosine between two voxel axes beyond which distances along them do not add up to millimetres. */
const LARGEST_SKEW = 1e-3;

/** Every metric of one structure, in the volume's own spacing. */
export function volumeScores(
  prediction: Uint8Array,
  { mask, shape, spacingMm, voxelToWorld }: PatientVolume,
  { surface, tolerancesMm }: ScoreSetting,
  label: Structure['label'],
): VolumeScores {
  const straight = largestSkew(voxelToWorld) <= LARGEST_SKEW;
  const setting = { surface: straight ? surface : null, tolerancesMm };
  return scoreVolume(onlyLabel(prediction, label), onlyLabel(mask!, label), { shape, spacingMm }, setting);
}

const onlyLabel = (labels: Uint8Array, label: Structure['label']): Uint8Array =>
  label === null ? labels : labels.map((value) => (value === label ? 1 : 0));

/** The mean of some structures, or of some patients. */
export function meanOverlap(scores: readonly Overlap[]): Overlap {
  const mean = (of: keyof Overlap): number => scores.reduce((sum, score) => sum + score[of], 0) / scores.length;
  return { dice: mean('dice'), iou: mean('iou') };
}

/** Of labels against labels: the mean over the structures. */
export function overlapOfStructures(labels: Uint8Array, truth: Uint8Array, structures: readonly Structure[]): Overlap {
  return meanOverlap(structures.map(({ label }) => overlap(onlyLabel(labels, label), onlyLabel(truth, label))));
}

/** Slice by slice, of the structures that a slice has, in truth or in the prediction; of one without any, of none against none. */
function sliceOverlaps(
  predictions: Predictions,
  which: Which,
  stacks: readonly SliceStack[],
  structures: readonly Structure[],
): Overlap[] {
  const found = planesOf(predictions, which, stacks).flatMap(({ stack: { height, width, index }, values }) =>
    Array.from(index, (_, at) => values.subarray(at * height * width, (at + 1) * height * width)),
  );
  return slicesOf(stacks).map(({ row, mask }) => {
    const isThere = ({ label }: Structure) => label === null || mask.includes(label) || found[row]!.includes(label);
    const present = structures.filter(isThere);
    return overlapOfStructures(found[row]!, mask, present.length > 0 ? present : structures.slice(0, 1));
  });
}
