import { automaticBoxes, type BoxPrior, priorOf } from '../lib/dataset/automatic-prompts.ts';
import type { Box } from '../lib/dataset/components.ts';
import { labelsPresent } from '../lib/dataset/labels-present.ts';
import { boxesOf, type Prompt, type PromptsSetting } from '../lib/dataset/prompts.ts';
import {
  decodeSlices,
  encodeSlices,
  type SliceAxis,
  type SliceStack,
  type SlicesSetting,
  sliceDigests,
  sliceVolume,
  unsliceMask,
} from '../lib/dataset/slices.ts';
import { decodeVolume, encodeVolume, type PatientFiles, readPatientVolume } from '../lib/dataset/volume-record.ts';
import { overlap } from '../lib/metrics/overlap.ts';
import type { CrossValidationData } from '../lib/report/cross-validation-data.ts';
import { renderCrossValidation } from '../lib/report/render-cross-validation.ts';
import { renderReport } from '../lib/report/render-report.ts';
import type { ReportData } from '../lib/report/report-data.ts';
import { cleanMask, type PostProcess } from '../lib/volume/clean-mask.ts';
import { writeMaskOnNativeGrid, writeProbabilityOnNativeGrid } from '../lib/volume/nifti-write.ts';
import { voxelDigest } from '../lib/volume/voxel-digest.ts';
import { cleanedDices, diceAndIou, type ScoreSetting, score, summarise, volumeScores } from './scoring.ts';

/**
 * What runs in compute threads: library functions from bytes to bytes, and nothing else. A thread knows neither Temporal
 * nor the store. Artifacts go in and out in their stored form, which is one buffer that moves between threads for free.
 */
export const tasks = {
  convert,
  slice,
  digests,
  prompts,
  boxes,
  prior,
  plan,
  score,
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
  const stack = sliceVolume(decodeVolume(volume), setting);
  const { index, total, height, width } = stack;
  return { bytes: encodeSlices(stack), count: index.length, total, height, width };
}

/** Hashes of the slices' pixels, for the leak audit. */
function digests({ slices }: { slices: Uint8Array }) {
  return sliceDigests(decodeSlices(slices));
}

/** Prompts from the truth, row by row. */
function prompts({ slices, setting }: { slices: Uint8Array; setting: PromptsSetting }): Prompt[][] {
  return rowsOf(decodeSlices(slices), (row, stack) => boxesOf(row.mask, stack.height, stack.width, setting));
}

/** The same without the objects' masks, with what is needed to lay predictions back. */
function boxes({ slices, setting }: { slices: Uint8Array; setting: PromptsSetting }) {
  const stack = decodeSlices(slices);
  const rows = rowsOf(stack, ({ index, mask }) => ({
    index,
    boxes: boxesOf(mask, stack.height, stack.width, setting).map(({ box }) => box),
  }));
  return { height: stack.height, width: stack.width, rows };
}

function prior({ slices }: { slices: readonly Uint8Array[] }): BoxPrior | null {
  return priorOf(slices.map(decodeSlices));
}

export interface Plan extends Pick<SliceStack, 'height' | 'width' | 'axis'> {
  /** Slices to segment: position along the axis, pixels [H, W] and boxes. */
  readonly rows: { readonly index: number; readonly pixels: Uint8Array; readonly boxes: Box[] }[];
}

/** Which slices of a scan are segmented, and by which boxes, without looking at any truth. */
function plan(o: { volume: Uint8Array; slices: SlicesSetting; prompts: PromptsSetting; prior: BoxPrior | null }): Plan {
  const stack = sliceVolume(decodeVolume(o.volume), o.slices, { all: true });
  const boxes = automaticBoxes(stack, o.prompts.automatic, o.prior, o.prompts);
  const { height, width, axis } = stack;
  const rows = rowsOf(stack, ({ pixels, index }, _, row) => ({ index, pixels: pixels.slice(), boxes: boxes[row]! }));
  return { height, width, axis, rows: rows.filter((row) => row.boxes.length > 0) };
}

/** A mask by slices, post-processed, onto the scan's own grid, and its probabilities, as they came, where there are any. */
function mask(o: {
  volume: Uint8Array;
  masks: Uint8Array;
  probabilities: Float32Array | null;
  index: readonly number[];
  axis: SliceAxis;
  target: string;
  setting: ScoreSetting;
  postProcess: PostProcess | null;
}) {
  const volume = decodeVolume(o.volume);
  const found = unsliceMask(o.masks, o.index, volume, o.axis);
  const voxels = o.postProcess ? cleanMask(found, volume.shape, volume.spacingMm, o.postProcess) : found;
  const probabilities = o.probabilities && unsliceMask(o.probabilities, o.index, volume, o.axis);
  const scored = volume.mask && volumeScores(voxels, volume, o.setting, null);
  return {
    files: {
      mask: writeMaskOnNativeGrid(voxels, volume, [{ label: 1, name: o.target }]),
      probability: probabilities && writeProbabilityOnNativeGrid(probabilities, volume),
    },
    foregroundVoxels: countForeground(voxels),
    overlap: scored && diceAndIou(scored),
    overlapBefore: volume.mask && diceAndIou(overlap(found, volume.mask)),
    scores: scored,
  };
}

function report(data: ReportData): Uint8Array {
  return new TextEncoder().encode(renderReport(data));
}

function crossValidationReport(data: CrossValidationData): Uint8Array {
  return new TextEncoder().encode(renderCrossValidation(data));
}

function countForeground(mask: Uint8Array): number {
  let count = 0;
  for (const value of mask) count += value === 0 ? 0 : 1;
  return count;
}

interface Row {
  readonly index: number;
  /** [H, W] */
  readonly pixels: Uint8Array;
  /** [H, W]; all zero where the stack has no masks. */
  readonly mask: Uint8Array;
}

function rowsOf<T>(stack: SliceStack, map: (row: Row, stack: SliceStack, at: number) => T): T[] {
  const area = stack.height * stack.width;
  const view = (array: Uint8Array, row: number): Uint8Array => array.subarray(row * area, (row + 1) * area);
  const masks = stack.masks ?? new Uint8Array(stack.pixels.length);
  return Array.from(stack.index, (index, row) =>
    map({ index, pixels: view(stack.pixels, row), mask: view(masks, row) }, stack, row),
  );
}
