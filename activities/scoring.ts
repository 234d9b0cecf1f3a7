import type { EvaluationConfig } from '../contracts/config.ts';
import type { Evaluation, Overlap, Structure, StructureSummary } from '../contracts/stages.ts';
import { random } from '../lib/dataset/random.ts';
import { decodeSlices, type SliceStack, unsliceMask } from '../lib/dataset/slices.ts';
import { decodeVolume, type PatientVolume } from '../lib/dataset/volume-record.ts';
import { compareScores } from '../lib/metrics/compare.ts';
import { overlap } from '../lib/metrics/overlap.ts';
import { scoreVolume, type VolumeScores } from '../lib/metrics/volume-scores.ts';
import { decodeSafetensors, u8 } from '../lib/safetensors.ts';
import { largestSkew } from '../lib/volume/affine.ts';
import { cleanMask, type PostProcess } from '../lib/volume/clean-mask.ts';

/** Tasks for compute threads (see tasks.ts): predictions and volumes in their stored form in, scores out. */

export type ScoreSetting = Pick<EvaluationConfig, 'surface' | 'tolerancesMm'>;
type ScoredStructure = NonNullable<Evaluation['patients'][number]['structures']>[number];

/**
 * Scores both models' predictions slice by slice and over the whole volume, where a slice without a prediction counts as
 * empty; and each structure over the volume with every metric, the fine-tuned one post-processed too.
 */
export function score(o: {
  volume: Uint8Array;
  slices: Uint8Array;
  predictions: Uint8Array;
  structures: readonly Structure[];
  setting: ScoreSetting;
  postProcess: PostProcess | null;
}) {
  const stack = decodeSlices(o.slices);
  const volume = decodeVolume(o.volume);
  const read = predictionsOn(o.predictions, stack, volume);
  const [zeroShot, fineTuned] = [read('zeroShot'), read('fineTuned')];
  const postProcessed = o.postProcess && cleanMask(fineTuned.voxels, volume.shape, volume.spacingMm, o.postProcess);
  const overlaps = ({ voxels, slices }: typeof zeroShot) => ({
    volume: diceAndIou(overlap(voxels, volume.mask!)),
    slices: sliceOverlaps(slices, stack),
  });
  const structures = o.structures.map(({ label }): ScoredStructure => {
    const scored = (voxels: Uint8Array) => volumeScores(voxels, volume, o.setting, label);
    return {
      zeroShot: scored(zeroShot.voxels),
      fineTuned: scored(fineTuned.voxels),
      postProcessed: postProcessed && scored(postProcessed),
    };
  });
  return { zeroShot: overlaps(zeroShot), fineTuned: overlaps(fineTuned), structures };
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
  const { voxels } = predictionsOn(o.predictions, decodeSlices(o.slices), volume)('fineTuned');
  const truths = o.structures.map(({ label }) => ({ label, truth: onlyLabel(volume.mask!, label) }));
  return o.rules.map((rule) => {
    const cleaned = cleanMask(voxels, volume.shape, volume.spacingMm, rule);
    const dices = truths.map(({ label, truth }) => overlap(onlyLabel(cleaned, label), truth).dice);
    return dices.reduce((sum, dice) => sum + dice, 0) / dices.length;
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

/** A model's masks of some slices, and the same as voxels of the volume: slices that are not there are empty. */
function predictionsOn(bytes: Uint8Array, { index, axis }: SliceStack, volume: PatientVolume) {
  const { tensors } = decodeSafetensors(bytes, 'predictions');
  return (name: string) => {
    const slices = u8(tensors.get(name)!);
    return { slices, voxels: unsliceMask(slices, index, volume, axis) };
  };
}

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

export const diceAndIou = ({ dice, iou }: Overlap): Overlap => ({ dice, iou });

function sliceOverlaps(predictions: Uint8Array, { masks, index, height, width }: SliceStack): Overlap[] {
  const area = height * width;
  const cut = (stack: Uint8Array, row: number) => stack.subarray(row * area, (row + 1) * area);
  return Array.from(index, (_, row) => diceAndIou(overlap(cut(predictions, row), cut(masks!, row))));
}
