import type { Structure } from '../contracts/stages.ts';
import { automaticBoxes, type BoxPrior, priorsOf } from '../lib/dataset/automatic-prompts.ts';
import { fuseLabels, fuseProbabilities } from '../lib/dataset/fuse-planes.ts';
import { labelsPresent } from '../lib/dataset/labels-present.ts';
import { packMask } from '../lib/dataset/packed-mask.ts';
import { drawPoints, type PointSetting, pointsOfBox } from '../lib/dataset/points.ts';
import { type BoxSetting, boxesOf, type LabelledBox, type PromptsSetting } from '../lib/dataset/prompts.ts';
import { random } from '../lib/dataset/random.ts';
import {
  type SliceAxis,
  type SliceStack,
  type SlicesSetting,
  sliceDigests,
  slicesOf,
  sliceVolume,
} from '../lib/dataset/slices.ts';
import { decodeSlices, encodeSlices } from '../lib/dataset/slices-record.ts';
import { decodeVolume, encodeVolume, type PatientFiles, readPatientVolume } from '../lib/dataset/volume-record.ts';
import type { CrossValidationData } from '../lib/report/cross-validation-data.ts';
import type { ReportData } from '../lib/report/report-data.ts';
import type { TrainingObject } from '../lib/training/samples.ts';
import { cleanMask, type PostProcess } from '../lib/volume/clean-mask.ts';
import { writeMaskOnNativeGrid, writeProbabilityOnNativeGrid } from '../lib/volume/nifti-write.ts';
import { voxelDigest } from '../lib/volume/voxel-digest.ts';
import {
  cleanedDices,
  meanOverlap,
  overlapOfStructures,
  type ScoreSetting,
  score,
  summarise,
  volumeOverlaps,
  volumeScores,
} from './scoring.ts';

/**
 * What runs in compute threads: library functions from bytes to bytes, and nothing else. A thread knows neither Temporal
 * nor the store. Artifacts go in and out in their stored form, which is one buffer that moves between threads for free.
 */
export const tasks = {
  convert,
  slice,
  digests,
  objects,
  boxes,
  priors,
  plan,
  score,
  volumeOverlaps,
  cleanedDices,
  summarise,
  mask,
  report,
  crossValidationReport,
};
export type Tasks = typeof tasks;

type Triple = [number, number, number];

async function convert(files: PatientFiles) {
  const volume = await readPatientVolume(files);
  return {
    bytes: encodeVolume(volume),
    shape: [...volume.shape] as Triple,
    spacingMm: [...volume.spacingMm] as Triple,
    axisCodes: volume.native.axisCodes,
    foregroundVoxels: volume.mask && countForeground(volume.mask),
    voxels: voxelDigest([volume.image]),
    labelsPresent: volume.mask ? labelsPresent(volume.mask) : [],
    repairs: volume.repairs,
  };
}

function slice({ volume, setting }: { volume: Uint8Array; setting: SlicesSetting }) {
  const stacks = sliceVolume(decodeVolume(volume), setting);
  const sum = (of: (stack: SliceStack) => number) => stacks.reduce((total, stack) => total + of(stack), 0);
  return {
    bytes: encodeSlices(stacks),
    count: sum(({ index }) => index.length),
    total: sum(({ total }) => total),
  };
}

/** Hashes of the slices' pixels, for the leak audit. */
function digests({ slices }: { slices: Uint8Array }) {
  return sliceDigests(decodeSlices(slices));
}

/** Objects of the truth, row by row, and the slices back: what is given to a task moves to its thread. */
function objects({ slices, setting }: { slices: Uint8Array; setting: BoxSetting }): {
  objects: TrainingObject[][];
  slices: Uint8Array;
} {
  const objects = slicesOf(decodeSlices(slices)).map(({ mask, stack: { height, width } }) =>
    boxesOf(mask, height, width, setting).map(({ box, componentMask }) => ({ box, mask: packMask(componentMask) })),
  );
  return { objects, slices };
}

/** The same without the objects' masks, with each slice's place and size. */
function boxes({ slices, setting }: { slices: Uint8Array; setting: BoxSetting & PointSetting }): BoxedSlice[] {
  return slicesOf(decodeSlices(slices)).map(({ row, index, mask, stack: { axis, height, width } }) => ({
    ...{ row, axis, index, height, width },
    boxes: boxesOf(mask, height, width, setting).map(({ box, label, componentMask }, at) => {
      const draw = (n: number) => random(ORACLE_SEED, row, at, n);
      const points = drawPoints(componentMask, box, [height, width], setting, draw, 'deepest');
      return { box, label, ...(points.length > 0 && { points }) };
    }),
  }));
}

/** Of clicks in evaluation beyond the first: the same for every model. */
const ORACLE_SEED = 0;

function priors({ slices }: { slices: readonly Uint8Array[] }): BoxPrior[] {
  return priorsOf(slices.map(decodeSlices));
}

/** A slice to segment inside these boxes. */
export interface BoxedSlice {
  readonly row: number;
  readonly axis: SliceAxis;
  readonly index: number;
  readonly height: number;
  readonly width: number;
  readonly boxes: readonly LabelledBox[];
}

/** Which slices of a scan are segmented, and by which boxes, without looking at any truth: all where boxes are still to come. */
function plan(o: {
  volume: Uint8Array;
  slices: SlicesSetting;
  prompts: PromptsSetting;
  priors: readonly BoxPrior[];
}): (BoxedSlice & { pixels: Uint8Array; position: number })[] {
  const stacks = sliceVolume(decodeVolume(o.volume), o.slices, { all: true });
  const { automatic, propagate } = o.prompts;
  const boxes = stacks
    .flatMap((stack) => automaticBoxes(stack, automatic, o.priors, o.prompts))
    .map((of) => of.map((one) => ({ ...one, points: pointsOfBox(one.box, o.prompts) })));
  return slicesOf(stacks)
    .map(({ row, index, pixels, stack: { axis, height, width, total } }) => ({
      ...{ row, axis, index, height, width, pixels: pixels.slice(), position: (index + 0.5) / total },
      boxes: boxes[row]!,
    }))
    .filter(({ boxes }) => propagate || automatic === 'proposer' || boxes.length > 0);
}

/** What was found on the slices of one plane. */
export interface FoundPlane {
  readonly stack: Pick<SliceStack, 'axis' | 'height' | 'width'> & { readonly index: readonly number[] };
  /** [N, H, W] */
  readonly labels: Uint8Array;
  readonly probabilities: Float32Array | null;
}

/** Labels by slices, fused and post-processed, onto the scan's own grid, and probabilities, as they came, where there are any. */
function mask(o: {
  volume: Uint8Array;
  planes: readonly FoundPlane[];
  structures: readonly Structure[];
  setting: ScoreSetting;
  postProcess: PostProcess | null;
  probability: boolean;
}) {
  const volume = decodeVolume(o.volume);
  const found = fuseLabels(
    o.planes.map(({ stack, labels }) => ({ stack, values: labels })),
    volume,
  );
  const voxels = o.postProcess ? cleanMask(found, volume.shape, volume.spacingMm, o.postProcess) : found;
  const probabilities = o.planes.map(({ stack, probabilities }) => ({ stack, values: probabilities! }));
  const scores = volume.mask && o.structures.map(({ label }) => volumeScores(voxels, volume, o.setting, label));
  return {
    files: {
      mask: writeMaskOnNativeGrid(voxels, volume, namesOf(o.structures)),
      probability: o.probability
        ? writeProbabilityOnNativeGrid(fuseProbabilities(probabilities, volume), volume)
        : null,
    },
    foregroundVoxels: countForeground(voxels),
    overlap: scores && meanOverlap(scores),
    overlapBefore: volume.mask && overlapOfStructures(found, volume.mask, o.structures),
    scores,
  };
}

/** A structure without a label of its own has the value 1. */
const namesOf = (structures: readonly Structure[]) =>
  structures.map(({ name, label }) => ({ name, label: label ?? 1 }));

// The charts' library is loaded where a report is made: it takes two seconds of every thread's start.
async function report(data: ReportData): Promise<Uint8Array> {
  const { renderReport } = await import('../lib/report/render-report.ts');
  return new TextEncoder().encode(renderReport(data));
}

async function crossValidationReport(data: CrossValidationData): Promise<Uint8Array> {
  const { renderCrossValidation } = await import('../lib/report/render-cross-validation.ts');
  return new TextEncoder().encode(renderCrossValidation(data));
}

function countForeground(mask: Uint8Array): number {
  let count = 0;
  for (const value of mask) count += value === 0 ? 0 : 1;
  return count;
}
