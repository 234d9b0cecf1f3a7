import { createHash } from 'node:crypto';
import { greyOf, type WindowRange, type WindowSetting, windowRange } from '../volume/intensity.ts';
import { chooseSlices, refuseEmpty, type SliceFilter } from './choose-slices.ts';
import { cutGreys, INT16_ZERO } from './cut-greys.ts';
import { cutSlice, foregroundCounts, type Plane, pasteSlice, planeOf, SLICE_AXES, type SliceAxis } from './planes.ts';
import { resampleLinear, resampleNearest } from './resample.ts';
import { roomForStacks } from './slices-record.ts';
import type { PatientVolume } from './volume-record.ts';

export type { SliceAxis } from './planes.ts';

/** As `SlicesConfig` of the run configuration. */
export interface SlicesSetting extends SliceFilter {
  readonly axis: 'auto' | 'all' | SliceAxis;
  readonly window: WindowSetting;
  /** Size of a pixel: as scanned, the finer of both sides for both, or millimetres. */
  readonly pixels: 'scan' | 'square' | number;
}

/** Slices of one volume in one plane, as a model sees them. */
export interface SliceStack {
  /** [N, H, W], grey by the window. */
  readonly pixels: Uint8Array;
  /** [N, H, W], 0 or the number of a structure; null for a scan without a mask. */
  readonly masks: Uint8Array | null;
  /** [N]: canonical voxel index of each slice along the slice axis, ascending. */
  readonly index: Int32Array;
  readonly height: number;
  readonly width: number;
  /** Slices of the whole volume along this axis. */
  readonly total: number;
  readonly axis: SliceAxis;
  /** What grey 0 and 255 mean. */
  readonly window: WindowRange;
  /** Distance of neighbouring rows and of neighbouring columns. */
  readonly pixelMm: readonly [row: number, column: number];
}

/** One slice of a patient; `row` counts through all of the patient's stacks. */
export interface Slice {
  readonly row: number;
  readonly stack: SliceStack;
  /** Position along the slice axis. */
  readonly index: number;
  /** [H, W] */
  readonly pixels: Uint8Array;
  /** [H, W]; all zero where the stack has no masks. */
  readonly mask: Uint8Array;
}

/** All slices, in the order of their rows. */
export function slicesOf(stacks: readonly SliceStack[]): Slice[] {
  const slices: Slice[] = [];
  for (const stack of stacks) {
    const area = stack.height * stack.width;
    const none = new Uint8Array(stack.masks ? 0 : area);
    for (const [at, index] of stack.index.entries()) {
      const cut = (array: Uint8Array) => array.subarray(at * area, (at + 1) * area);
      const mask = stack.masks ? cut(stack.masks) : none;
      slices.push({ row: slices.length, stack, index, pixels: cut(stack.pixels), mask });
    }
  }
  return slices;
}

/** `auto` is axial: on the canonical grid the third axis is the one nearest to head-feet, whatever the file's order was. */
export function sliceAxesOf(axis: SlicesSetting['axis']): readonly SliceAxis[] {
  if (axis === 'all') return SLICE_AXES;
  return [axis === 'auto' ? 'axial' : axis];
}

/**
 * Cuts a canonical volume into slices, a stack for each plane. Where there is a mask, slices are chosen by it (see
 * `chooseSlices`) unless `all` is set, and planes without any are left out. Fault SLICES_EMPTY where none is left.
 */
export function sliceVolume(
  volume: PatientVolume,
  setting: SlicesSetting,
  { all = false }: { all?: boolean } = {},
): SliceStack[] {
  const planes = sliceAxesOf(setting.axis).map((axis) => planeOf(volume.shape, axis));
  const chosen = all || !volume.mask ? planes.map(({ total }) => allSlices(total)) : choose(volume, planes, setting);
  const window = windowRange(setting.window, volume.image);
  const grey = greyTable(volume.image, window);
  const kept = planes.flatMap((plane, at) => (chosen[at]!.length > 0 ? [{ plane, index: chosen[at]! }] : []));
  const facts = kept.map(({ plane, index }) => ({ ...factsOf(volume, plane, setting), index, window }));
  const stacks = roomForStacks(facts, volume.mask !== null);
  for (const [at, stack] of stacks.entries()) cutStack(volume, kept[at]!.plane, stack, grey);
  return stacks;
}

function choose(volume: PatientVolume, planes: readonly Plane[], setting: SlicesSetting): Int32Array[] {
  const counts = planes.map((plane) => foregroundCounts(plane, volume.mask!, volume.shape));
  refuseEmpty(counts, setting);
  return counts.map((plane) => chooseSlices(plane, setting));
}

const allSlices = (total: number) => Int32Array.from({ length: total }, (_, index) => index);

function factsOf({ spacingMm }: PatientVolume, plane: Plane, { pixels }: SlicesSetting) {
  const scanned = [plane.height, plane.width] as const;
  const scannedMm = [spacingMm[plane.row]!, spacingMm[plane.column]!] as const;
  const [height, width] = sizeOf(scanned, scannedMm, pixels);
  const pixelMm = [(scannedMm[0] * scanned[0]) / height, (scannedMm[1] * scanned[1]) / width] as const;
  return { height, width, total: plane.total, axis: plane.axis, pixelMm };
}

/** Fills a stack, slice by slice. */
function cutStack(volume: PatientVolume, plane: Plane, stack: SliceStack, grey: Uint8Array | null): void {
  const { pixels, masks, height, width, window } = stack;
  const scanned = [plane.height, plane.width] as const;
  const isScanned = height === scanned[0] && width === scanned[1];
  const area = height * width;
  const values = new Float32Array(scanned[0] * scanned[1]);
  const labels = new Uint8Array(values.length);
  stack.index.forEach((position, row) => {
    if (isScanned && grey) cutGreys(plane, volume.image as Int16Array, grey, position, pixels, row * area);
    else {
      cutSlice(plane, volume.image, position, values);
      const resampled = isScanned ? values : resampleLinear(values, scanned, [height, width]);
      for (let pixel = 0; pixel < area; pixel += 1) pixels[row * area + pixel] = greyOf(resampled[pixel]!, window);
    }
    if (!masks) return;
    if (isScanned) cutSlice(plane, volume.mask!, position, masks, row * area);
    else {
      cutSlice(plane, volume.mask!, position, labels);
      masks.set(resampleNearest(labels, scanned, [height, width]), row * area);
    }
  });
}

/** Of slices whose pixels have the size that is asked for, or the nearest that fills the slice. */
function sizeOf(
  scanned: readonly [number, number],
  scannedMm: readonly [number, number],
  pixelSize: SlicesSetting['pixels'],
): readonly [number, number] {
  if (pixelSize === 'scan') return scanned;
  const mm = pixelSize === 'square' ? Math.min(...scannedMm) : pixelSize;
  const size = (side: 0 | 1) => Math.max(1, Math.round((scanned[side] * scannedMm[side]) / mm));
  return [size(0), size(1)];
}

/** Grey of every int16 value, where a division per voxel would cost more than the rest; null for other voxels. */
function greyTable(image: PatientVolume['image'], window: WindowRange): Uint8Array | null {
  if (image instanceof Float32Array) return null;
  return Uint8Array.from({ length: 65536 }, (_, bin) => greyOf(bin - INT16_ZERO, window));
}

/**
 * Puts the masks (or probabilities) of some slices [N, H, W] of one plane back into canonical voxels (x fastest), at the
 * scan's own resolution; slices that are not there stay 0.
 */
export function unsliceMask<T extends Uint8Array | Float32Array>(
  masks: T,
  { index, axis, height, width }: Pick<SliceStack, 'axis' | 'height' | 'width'> & { readonly index: ArrayLike<number> },
  { shape }: Pick<PatientVolume, 'shape'>,
): T {
  const plane = planeOf(shape, axis);
  const area = height * width;
  if (masks.length !== index.length * area) {
    throw new RangeError(`${index.length} slices of ${area} pixels are ${index.length * area}, got ${masks.length}`);
  }
  const count = shape[0] * shape[1] * shape[2];
  const voxels = (masks instanceof Float32Array ? new Float32Array(count) : new Uint8Array(count)) as T;
  for (let row = 0; row < index.length; row += 1) {
    const slice = masks.subarray(row * area, (row + 1) * area) as T;
    pasteSlice(plane, resampleNearest(slice, [height, width], [plane.height, plane.width]), index[row]!, voxels);
  }
  return voxels;
}

/**
 * SHA-256 of the pixels of each slice, for the leak audit; null where all pixels are equal, which says nothing about whose
 * slice it is.
 */
export function sliceDigests(stacks: readonly SliceStack[]): (string | null)[] {
  return slicesOf(stacks).map(({ pixels, stack: { height, width } }) => {
    if (pixels.every((grey) => grey === pixels[0])) return null;
    return createHash('sha256').update(`${height}x${width}:`).update(pixels).digest('hex');
  });
}
