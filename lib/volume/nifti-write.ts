import { gzipSync } from 'node:zlib';
import { type Affine, quaternionOfAffine, type Shape3, voxelSizesMm } from './affine.ts';
import { type Structure, withLabelTable } from './label-table.ts';
import { orientationOf, toNative } from './orientation.ts';

/** NIfTI codes of the types that we write. */
const WRITTEN = {
  uint8: { code: 2, bits: 8 },
  int16: { code: 4, bits: 16 },
  float32: { code: 16, bits: 32 },
} as const;

export interface NiftiToWrite {
  /** One to seven axes, the first fastest. */
  readonly shape: readonly number[];
  readonly voxels: Uint8Array | Int16Array | Float32Array;
  readonly voxelToWorld: Affine;
  /** Meaning of the coordinates; 1 is "scanner". At least one must be above zero. */
  readonly qformCode?: number;
  readonly sformCode?: number;
}

/** 348 bytes of header and 4 that say "no extensions". */
const VOXEL_OFFSET = 352;

/**
 * A single-file NIfTI-1 volume, little-endian, with the affine as sform and, where its axes are at right angles, as qform.
 * The same input gives the same bytes: the header holds no date and no text.
 */
export function writeNifti(volume: NiftiToWrite): Uint8Array {
  const { shape, voxels, voxelToWorld, qformCode = 1, sformCode = 1 } = volume;
  const count = shape.reduce((product, size) => product * size, 1);
  if (count !== voxels.length) throw new RangeError(`${shape.join(' x ')} is ${count} voxels, got ${voxels.length}`);
  if (shape.some((size) => size > 32767)) throw new RangeError(`NIfTI-1 axes end at 32767: ${shape.join(' x ')}`);
  const type = WRITTEN[datatypeOf(voxels)];
  const bytes = new Uint8Array(VOXEL_OFFSET + voxels.byteLength);
  const view = new DataView(bytes.buffer);
  const float = (offset: number, value: number) => view.setFloat32(offset, value, true);
  const short = (offset: number, value: number) => view.setInt16(offset, value, true);

  view.setInt32(0, 348, true);
  short(40, shape.length);
  for (let axis = 0; axis < 7; axis += 1) short(42 + 2 * axis, shape[axis] ?? 1);
  short(70, type.code);
  short(72, type.bits);
  float(108, VOXEL_OFFSET);
  float(112, 1);
  view.setUint8(123, 2); // xyzt_units: millimetres
  writeGeometry({ float, short }, voxelToWorld, shape.length, qformCode, sformCode);
  bytes.set([0x6e, 0x2b, 0x31, 0], 344);
  bytes.set(new Uint8Array(voxels.buffer, voxels.byteOffset, voxels.byteLength), VOXEL_OFFSET);
  return bytes;
}

function datatypeOf(voxels: NiftiToWrite['voxels']): keyof typeof WRITTEN {
  if (voxels instanceof Uint8Array) return 'uint8';
  return voxels instanceof Int16Array ? 'int16' : 'float32';
}

interface Writer {
  float(offset: number, value: number): void;
  short(offset: number, value: number): void;
}

function writeGeometry({ float, short }: Writer, affine: Affine, rank: number, qformCode: number, sformCode: number) {
  const quaternion = quaternionOfAffine(affine);
  const sizes = voxelSizesMm(affine);
  float(76, quaternion?.qfac ?? 1);
  for (let axis = 0; axis < 7; axis += 1) float(80 + 4 * axis, axis < 3 ? sizes[axis]! : axis < rank ? 1 : 0);
  // A sheared grid has no qform: only the sform is set then, whatever the source had.
  short(252, quaternion ? qformCode : 0);
  short(254, quaternion ? sformCode : sformCode || qformCode);
  quaternion?.bcd.forEach((value, index) => {
    float(256 + 4 * index, value);
  });
  [3, 7, 11].forEach((at, index) => {
    float(268 + 4 * index, affine[at]!);
  });
  for (let index = 0; index < 12; index += 1) float(280 + 4 * index, affine[index]!);
}

/** gzip with the fields that vary by time and platform (mtime, OS) blanked. */
export function gzipDeterministic(bytes: Uint8Array): Uint8Array {
  const zipped = gzipSync(bytes, { level: 6 });
  zipped.fill(0, 4, 8);
  zipped[9] = 255;
  return zipped;
}

/** What is needed of a scan to write a mask onto its own grid; `PatientVolume` has it. */
export interface NativeGrid {
  readonly native: {
    /** As in the file's header: two to seven axes, those after the third of length one. */
    readonly shape: readonly number[];
    readonly voxelToWorld: Affine;
    readonly qformCode: number;
    readonly sformCode: number;
  };
}

/**
 * A label map in canonical (RAS+) voxels, x fastest, as a gzipped NIfTI-1 uint8 file on the scan's own grid: same shape,
 * same affine, so that a viewer lays it over the scan exactly. A binary mask is the map of one structure. `structures`
 * names the labels; the names go into the header's label table.
 */
export function writeMaskOnNativeGrid(
  canonicalLabels: Uint8Array,
  grid: NativeGrid,
  structures: readonly Structure[] = [],
): Uint8Array {
  const labels = onNativeGrid(canonicalLabels, new Uint8Array(canonicalLabels.length), grid);
  return gzipDeterministic(withLabelTable(labels, structures));
}

/** Values from 0 to 1 in canonical voxels as a gzipped NIfTI-1 float32 file on the scan's own grid, as a mask is written. */
export function writeProbabilityOnNativeGrid(canonicalProbability: Float32Array, grid: NativeGrid): Uint8Array {
  const native = new Float32Array(canonicalProbability.length);
  return gzipDeterministic(onNativeGrid(canonicalProbability, native, grid));
}

/** The NIfTI file of canonical voxels on the scan's own grid; `target` takes them in native order. */
function onNativeGrid<T extends Uint8Array | Float32Array>(
  canonical: T,
  target: T,
  { native }: NativeGrid,
): Uint8Array {
  const shape3: Shape3 = [native.shape[0]!, native.shape[1]!, native.shape[2] ?? 1];
  const voxels = toNative(canonical, shape3, orientationOf(native.voxelToWorld), target);
  // A scan without orientation codes is read as nibabel reads it; the mask then says so, or it would be read elsewhere.
  const coded = native.qformCode > 0 || native.sformCode > 0;
  return writeNifti({
    shape: native.shape,
    voxels,
    voxelToWorld: native.voxelToWorld,
    qformCode: coded ? native.qformCode : 1,
    sformCode: coded ? native.sformCode || native.qformCode : 1,
  });
}
