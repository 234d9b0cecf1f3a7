import { gzipSync } from 'node:zlib';
import { type Affine, quaternionOfAffine, type Shape3, voxelSizesMm } from './affine.ts';
import { type Structure, withLabelTable } from './label-table.ts';
import { LAYOUT, type NiftiVersion, NO_EXTENSIONS_BYTES } from './nifti-layout.ts';
import { type NiftiPlace, writePlace } from './nifti-place.ts';
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
  /** Meaning of the coordinates; 1 is "scanner". At least one is above zero where no place is given. */
  readonly qformCode?: number;
  readonly sformCode?: number;
  /** Of the scan whose grid this is: decides the version, and stands instead of what would be made from the affine. */
  readonly place?: NiftiPlace | undefined;
}

/**
 * A single-file volume, little-endian: NIfTI-1 with the affine as sform and, where its axes are at right angles, as qform;
 * or the version of a given place, with that place. The same input gives the same bytes: the header holds no date and no
 * text.
 */
export function writeNifti(volume: NiftiToWrite): Uint8Array {
  const { shape, voxels, voxelToWorld, qformCode = 1, sformCode = 1, place } = volume;
  const count = shape.reduce((product, size) => product * size, 1);
  if (count !== voxels.length) throw new RangeError(`${shape.join(' x ')} is ${count} voxels, got ${voxels.length}`);
  const version = place?.version ?? 1;
  if (version === 1 && shape.some((size) => size > 32767)) {
    throw new RangeError(`NIfTI-1 axes end at 32767: ${shape.join(' x ')}`);
  }
  const layout = LAYOUT[version];
  const voxelOffset = layout.headerBytes + NO_EXTENSIONS_BYTES;
  const bytes = new Uint8Array(voxelOffset + voxels.byteLength);
  const header = new DataView(bytes.buffer, 0, voxelOffset);
  const write = writerOf(version, header);

  header.setInt32(0, layout.headerBytes, true);
  bytes.set(MAGIC[version], layout.magic);
  write.whole(layout.dim, 0, shape.length);
  for (let axis = 0; axis < 7; axis += 1) write.whole(layout.dim, axis + 1, shape[axis] ?? 1);
  const type = WRITTEN[datatypeOf(voxels)];
  header.setInt16(layout.datatype, type.code, true);
  header.setInt16(layout.bitpix, type.bits, true);
  if (version === 1) write.real(layout.voxOffset, 0, voxelOffset);
  else write.whole(layout.voxOffset, 0, voxelOffset);
  write.real(layout.slope, 0, 1);
  if (place) {
    write.code(layout.qformCode, qformCode);
    write.code(layout.sformCode, sformCode);
    writePlace(header, place);
  } else {
    header.setUint8(LAYOUT[1].units, MILLIMETRES);
    writeAffine(write, voxelToWorld, shape.length, qformCode, sformCode);
  }
  bytes.set(new Uint8Array(voxels.buffer, voxels.byteOffset, voxels.byteLength), voxelOffset);
  return bytes;
}

const MAGIC = {
  1: [0x6e, 0x2b, 0x31, 0],
  2: [0x6e, 0x2b, 0x32, 0, 0x0d, 0x0a, 0x1a, 0x0a],
} as const;

/** xyzt_units. */
const MILLIMETRES = 2;

function datatypeOf(voxels: NiftiToWrite['voxels']): keyof typeof WRITTEN {
  if (voxels instanceof Uint8Array) return 'uint8';
  return voxels instanceof Int16Array ? 'int16' : 'float32';
}

interface Writer {
  /** Element `index` of a field of reals, and of one of whole numbers (`dim`, and in version 2 `vox_offset`). */
  real(field: number, index: number, value: number): void;
  whole(field: number, index: number, value: number): void;
  code(field: number, value: number): void;
}

function writerOf(version: NiftiVersion, header: DataView): Writer {
  return version === 1
    ? {
        real: (field, index, value) => header.setFloat32(field + 4 * index, value, true),
        whole: (field, index, value) => header.setInt16(field + 2 * index, value, true),
        code: (field, value) => header.setInt16(field, value, true),
      }
    : {
        real: (field, index, value) => header.setFloat64(field + 8 * index, value, true),
        whole: (field, index, value) => header.setBigInt64(field + 8 * index, BigInt(value), true),
        code: (field, value) => header.setInt32(field, value, true),
      };
}

/** Into a NIfTI-1 header. */
function writeAffine(write: Writer, affine: Affine, rank: number, qformCode: number, sformCode: number): void {
  const { pixdim, quaternion, srow, ...at } = LAYOUT[1];
  const turn = quaternionOfAffine(affine);
  const sizes = voxelSizesMm(affine);
  write.real(pixdim, 0, turn?.qfac ?? 1);
  for (let axis = 0; axis < 7; axis += 1) {
    write.real(pixdim, axis + 1, axis < 3 ? sizes[axis]! : axis < rank ? 1 : 0);
  }
  // A sheared grid has no qform: only the sform is set then, whatever was asked for.
  write.code(at.qformCode, turn ? qformCode : 0);
  write.code(at.sformCode, turn ? sformCode : sformCode || qformCode);
  const offset = [affine[3]!, affine[7]!, affine[11]!];
  [...(turn?.bcd ?? [0, 0, 0]), ...offset].forEach((value, index) => {
    write.real(quaternion, index, value);
  });
  for (let index = 0; index < 12; index += 1) write.real(srow, index, affine[index]!);
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
    /** Of a NIfTI scan. Absent for DICOM, whose mask is placed by the affine. */
    readonly place?: NiftiPlace | undefined;
  };
}

/**
 * A label map in canonical (RAS+) voxels, x fastest, as a gzipped NIfTI uint8 file on the scan's own grid: same shape and, bit
 * by bit, the same sform, qform, codes and voxel sizes, so that every viewer lays it over the scan exactly. A binary mask is
 * the map of one structure. `structures` names the labels; the names go into the header's label table.
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
  const { shape, voxelToWorld, qformCode, sformCode, place } = native;
  return writeNifti({ shape, voxels, voxelToWorld, qformCode, sformCode, place });
}
