import { createHash } from 'node:crypto';
import { Fault } from '../fault.ts';
import { allocateSafetensors, decodeSafetensors, encodeSafetensors, i32, u8 } from '../safetensors.ts';
import { greyOf, type WindowRange, type WindowSetting, windowRange } from '../volume/intensity.ts';
import { cutGreys, cutMask, INT16_ZERO, type SliceWalk } from './cut-greys.ts';
import type { PatientVolume } from './volume-record.ts';

export type SliceAxis = 'axial' | 'coronal' | 'sagittal';

/** As `SlicesConfig` of the run configuration. */
export interface SlicesSetting {
  readonly axis: 'auto' | SliceAxis;
  readonly window: WindowSetting;
  readonly minForegroundPixels: number;
}

/** Slices of one volume, as a model sees them. */
export interface SliceStack {
  /** [N, H, W], grey by the window. */
  readonly pixels: Uint8Array;
  /** [N, H, W], 0 or 1; null for a scan without a mask. */
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

/**
 * Which canonical (RAS+) axis a plane is cut across, and which axes become rows and columns. Images are in radiological
 * display order, which runs against RAS+ in every plane: row 0 is the front (axial) or the head, column 0 the patient's
 * right (axial, coronal) or front (sagittal). So rows and columns are both read from the far end.
 */
const PLANES = {
  sagittal: { slice: 0, row: 2, column: 1 },
  coronal: { slice: 1, row: 2, column: 0 },
  axial: { slice: 2, row: 1, column: 0 },
} as const satisfies Record<SliceAxis, { slice: number; row: number; column: number }>;

/** `auto` is axial: on the canonical grid the third axis is the one nearest to head-feet, whatever the file's order was. */
export function sliceAxisOf(axis: SlicesSetting['axis']): SliceAxis {
  return axis === 'auto' ? 'axial' : axis;
}

/**
 * Cuts a canonical volume into slices. Where there is a mask, slices with fewer foreground pixels than asked for are left
 * out, unless `all` is set. Fault SLICES_EMPTY where none is left.
 */
export function sliceVolume(
  volume: PatientVolume,
  setting: SlicesSetting,
  { all = false }: { all?: boolean } = {},
): SliceStack {
  const axis = sliceAxisOf(setting.axis);
  const plane = PLANES[axis];
  const [height, width, total] = [volume.shape[plane.row], volume.shape[plane.column], volume.shape[plane.slice]];
  const area = height * width;
  const index = all || !volume.mask ? allSlices(total) : foregroundSlices(volume.mask, volume, axis, setting);
  const window = windowRange(setting.window, volume.image);
  const cut = cutter(volume, window);
  const pixelMm = [volume.spacingMm[plane.row], volume.spacingMm[plane.column]] as const;
  const facts = { total, axis, window, pixelMm };
  // Where they will lie in the artifact: encoding such a stack copies nothing.
  const room = allocateSafetensors(tensorsOf([index.length, height, width], volume.mask !== null), metadataOf(facts));
  i32(room.get('index')!).set(index);
  const pixels = u8(room.get('pixels')!);
  const masks = volume.mask ? u8(room.get('masks')!) : null;
  index.forEach((position, row) => {
    cut(axis, position, pixels, masks, row * area);
  });
  return { pixels, masks, index: i32(room.get('index')!), height, width, ...facts };
}

/**
 * Puts the masks (or probabilities) of some slices [N, H, W] back into canonical voxels (x fastest); slices that are not
 * there stay 0.
 */
export function unsliceMask<T extends Uint8Array | Float32Array>(
  masks: T,
  index: ArrayLike<number>,
  volume: { readonly shape: PatientVolume['shape'] },
  axis: SliceAxis,
): T {
  const plane = PLANES[axis];
  const area = volume.shape[plane.row] * volume.shape[plane.column];
  if (masks.length !== index.length * area) {
    throw new RangeError(`${index.length} slices of ${area} pixels are ${index.length * area}, got ${masks.length}`);
  }
  const count = volume.shape[0] * volume.shape[1] * volume.shape[2];
  const voxels = (masks instanceof Float32Array ? new Float32Array(count) : new Uint8Array(count)) as T;
  for (let row = 0; row < index.length; row += 1) {
    walkSlice(volume.shape, axis, index[row]!, (voxel, pixel) => {
      voxels[voxel] = masks[row * area + pixel]!;
    });
  }
  return voxels;
}

/** Visits a slice in image order (row by row) and tells which voxel lies under each pixel. */
function walkSlice(
  shape: PatientVolume['shape'],
  axis: SliceAxis,
  position: number,
  visit: (voxel: number, pixel: number) => void,
): void {
  const plane = PLANES[axis];
  const stride = [1, shape[0], shape[0] * shape[1]] as const;
  const [height, width] = [shape[plane.row], shape[plane.column]];
  let pixel = 0;
  for (let row = height - 1; row >= 0; row -= 1) {
    const rowStart = position * stride[plane.slice] + row * stride[plane.row];
    for (let column = width - 1; column >= 0; column -= 1) {
      visit(rowStart + column * stride[plane.column], pixel);
      pixel += 1;
    }
  }
}

const allSlices = (total: number) => Int32Array.from({ length: total }, (_, index) => index);

function foregroundSlices(
  mask: Uint8Array,
  volume: PatientVolume,
  axis: SliceAxis,
  { minForegroundPixels }: SlicesSetting,
): Int32Array {
  const counts = foregroundCounts(mask, volume.shape, axis);
  const kept = Int32Array.from(counts.keys()).filter((index) => counts[index]! >= minForegroundPixels);
  if (kept.length > 0) return kept;
  throw new Fault('SLICES_EMPTY', {
    at: 'slices.minForegroundPixels',
    found: `at most ${counts.reduce((most, count) => Math.max(most, count), 0)} foreground pixels in a slice`,
    expected: `a slice with at least ${minForegroundPixels}`,
    fix: 'Lower the limit, or leave the patient out',
  });
}

/** Foreground voxels of each slice. */
function foregroundCounts(mask: Uint8Array, shape: PatientVolume['shape'], axis: SliceAxis): Uint32Array {
  const across = PLANES[axis].slice;
  const counts = new Uint32Array(shape[across]);
  let voxel = 0;
  for (let z = 0; z < shape[2]; z += 1) {
    for (let y = 0; y < shape[1]; y += 1) {
      for (let x = 0; x < shape[0]; x += 1) {
        if (mask[voxel] !== 0) {
          const slice = across === 0 ? x : across === 1 ? y : z;
          counts[slice] = counts[slice]! + 1;
        }
        voxel += 1;
      }
    }
  }
  return counts;
}

type Cut = (axis: SliceAxis, position: number, pixels: Uint8Array, masks: Uint8Array | null, at: number) => void;

/** Cuts a slice of image and mask; by table for int16, where a division per voxel would cost more than the rest of the walk. */
function cutter({ shape, image, mask }: PatientVolume, window: WindowRange): Cut {
  if (image instanceof Float32Array) {
    return (axis, position, pixels, masks, at) => {
      walkSlice(shape, axis, position, (voxel, pixel) => {
        pixels[at + pixel] = greyOf(image[voxel]!, window);
      });
      if (masks) cutMask(walkOf(shape, axis), mask!, position, masks, at);
    };
  }
  const table = Uint8Array.from({ length: 65536 }, (_, bin) => greyOf(bin - INT16_ZERO, window));
  return (axis, position, pixels, masks, at) => {
    cutGreys(walkOf(shape, axis), image, table, position, pixels, at);
    if (masks) cutMask(walkOf(shape, axis), mask!, position, masks, at);
  };
}

function walkOf(shape: PatientVolume['shape'], axis: SliceAxis): SliceWalk {
  const { slice, row, column } = PLANES[axis];
  const stride = [1, shape[0], shape[0] * shape[1]] as const;
  const [sliceStride, rowStride, columnStride] = [stride[slice], stride[row], stride[column]];
  return { height: shape[row], width: shape[column], sliceStride, rowStride, columnStride };
}

/**
 * SHA-256 of the pixels of each slice, for the leak audit; null where all pixels are equal, which says nothing about whose
 * slice it is.
 */
export function sliceDigests({ pixels, index, height, width }: SliceStack): (string | null)[] {
  const area = height * width;
  return Array.from(index, (_, row) => {
    const slice = pixels.subarray(row * area, (row + 1) * area);
    if (slice.every((grey) => grey === slice[0])) return null;
    return createHash('sha256').update(`${height}x${width}:`).update(slice).digest('hex');
  });
}

// Artifact `slices` ------------------------------------------------------------------------------------------------

const FORMAT = 'samflow-slices-1';

/** safetensors: `pixels` U8 [N, H, W], `masks` U8 [N, H, W], `index` I32 [N]. Same stack, same bytes. */
export function encodeSlices(stack: SliceStack): Uint8Array {
  const { pixels, masks, index, height, width } = stack;
  const data = { pixels, index, masks: masks! };
  return encodeSafetensors(
    tensorsOf([index.length, height, width], masks !== null).map(
      ([name, tensor]) => [name, { ...tensor, data: data[name] }] as const,
    ),
    metadataOf(stack),
  );
}

function tensorsOf(shape: readonly [number, number, number], masked: boolean) {
  const pixels = ['pixels', { dtype: 'U8', shape }] as const;
  const index = ['index', { dtype: 'I32', shape: [shape[0]] }] as const;
  return masked ? [pixels, index, ['masks', { dtype: 'U8', shape }] as const] : [pixels, index];
}

const metadataOf = ({ total, axis, window, pixelMm }: Pick<SliceStack, 'total' | 'axis' | 'window' | 'pixelMm'>) => ({
  format: FORMAT,
  stack: JSON.stringify({ total, axis, window, pixelMm }),
});

/** The inverse of `encodeSlices`. Fault SLICES_FORMAT for other bytes. */
export function decodeSlices(bytes: Uint8Array): SliceStack {
  const { tensors, metadata } = decodeSafetensors(bytes, 'slices');
  const [pixels, masks, index] = [tensors.get('pixels'), tensors.get('masks'), tensors.get('index')];
  if (metadata.format !== FORMAT || !metadata.stack || !pixels || !index) {
    throw new Fault('SLICES_FORMAT', {
      at: 'slices',
      found: `an artifact of format ${metadata.format ?? 'unknown'}`,
      expected: FORMAT,
      fix: 'Run the stage `slice` again',
    });
  }
  const [, height, width] = pixels.shape as [number, number, number];
  const rest = JSON.parse(metadata.stack) as Pick<SliceStack, 'total' | 'axis' | 'window' | 'pixelMm'>;
  return { pixels: u8(pixels), masks: masks ? u8(masks) : null, index: i32(index), height, width, ...rest };
}
