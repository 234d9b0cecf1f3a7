import { Fault } from '../fault.ts';
import type { Shape3 } from './affine.ts';
import { gunzipBounded, gunzipPrefix, isGzip } from './gunzip.ts';
import { checkFileSize } from './limits.ts';
import { type Datatype, type NiftiHeader, parseNiftiHeader, truncated } from './nifti-header.ts';

export type { NiftiPlace } from './nifti-place.ts';
export { writeMaskOnNativeGrid, writeNifti, writeProbabilityOnNativeGrid } from './nifti-write.ts';

/** Voxels as numbers; 64-bit integers come as float64. */
export type VoxelArray =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

export interface NiftiVolume extends NiftiHeader {
  /** Base name of the file. */
  readonly name: string;
  /** Scaled values (value · slope + inter), first axis fastest. Raw where there is nothing to scale. */
  readonly voxels: VoxelArray;
}

/** A volume of three axes: what the rest of samflow works on. */
export interface NiftiVolume3 extends NiftiVolume {
  readonly shape3: Shape3;
}

/**
 * Reads a NIfTI-1 or NIfTI-2 file, plain or gzipped, of either byte order and any scalar type; values agree with nibabel's
 * `get_fdata` and the affine with its `affine`. Memory is bounded by what the header promises, and what it promises is
 * checked against the bytes there are.
 *
 * Faults: those of `parseNiftiHeader`, and NIFTI_TRUNCATED, NIFTI_OVERLONG, NIFTI_GZIP, VOLUME_TOO_LARGE.
 */
export function readNifti(bytes: Uint8Array, name: string): NiftiVolume {
  checkFileSize(bytes.length, name);
  const gzipped = isGzip(bytes);
  const header = parseNiftiHeader(gzipped ? gunzipPrefix(bytes, name) : bytes, name);
  const dataBytes = header.shape.reduce((product, size) => product * size, header.bytesPerVoxel);
  const end = header.voxelOffset + dataBytes;
  const plain = gzipped ? gunzipBounded(bytes, end, name) : bytes;
  if (plain.length < end) {
    throw truncated(name, `${plain.length} bytes`, `${end} bytes for ${header.shape.join(' x ')} ${header.datatype}`);
  }
  const raw = plain.subarray(header.voxelOffset, end);
  const voxels = scale(decodeVoxels(raw, header, gzipped), header.slope, header.inter);
  return { ...header, name, voxels, notes: [...header.notes, ...noteRest(plain.length - end)] };
}

/** Some writers leave bytes after the voxels, which no reader minds; a size that lost an axis leaves them as well. */
export const noteRest = (bytes: number): string[] =>
  bytes > 0 ? [`${bytes} bytes follow the voxels that the header names; they were ignored`] : [];

/**
 * The same volume with three axes: trailing axes of length one are dropped, two axes become one slice.
 * Fault NIFTI_NOT_3D where a fourth axis is longer than one (a time series, several contrasts).
 */
export function asVolume3(volume: NiftiVolume): NiftiVolume3 {
  const [x, y, z = 1, ...rest] = volume.shape as [number, number, number?, ...number[]];
  if (rest.some((size) => size > 1)) {
    throw new Fault('NIFTI_NOT_3D', {
      at: volume.name,
      found: `${volume.shape.length} axes, ${volume.shape.join(' x ')}`,
      expected: 'one volume of three axes',
      fix: 'Extract the volume that is meant, e.g. with fslroi',
    });
  }
  return { ...volume, shape3: [x, y, z] };
}

/** Typed voxels from bytes in either byte order: copied, so that they are aligned, unless they are and are nobody else's (`isOwn`). */
function decodeVoxels(
  bytes: Uint8Array,
  { datatype, littleEndian }: Pick<NiftiHeader, 'datatype' | 'littleEndian'>,
  isOwn: boolean,
): VoxelArray {
  const width = WIDTHS[datatype];
  const own = isOwn && bytes.byteOffset % width === 0;
  // Not `bytes.slice()`: on a Buffer that is a view of the same memory.
  const memory = own ? bytes : new Uint8Array(bytes);
  // Every platform that Node runs on is little-endian in practice, so big-endian files are the ones to swap.
  if (!littleEndian && width !== 1) swapBytes(memory, width);
  const [buffer, from, count] = [memory.buffer, memory.byteOffset, memory.length / width] as const;
  switch (datatype) {
    case 'uint8':
      return new Uint8Array(buffer, from, count);
    case 'int8':
      return new Int8Array(buffer, from, count);
    case 'int16':
      return new Int16Array(buffer, from, count);
    case 'uint16':
      return new Uint16Array(buffer, from, count);
    case 'int32':
      return new Int32Array(buffer, from, count);
    case 'uint32':
      return new Uint32Array(buffer, from, count);
    case 'float32':
      return new Float32Array(buffer, from, count);
    case 'float64':
      return new Float64Array(buffer, from, count);
    case 'int64':
      return Float64Array.from(new BigInt64Array(buffer, from, count), Number);
    case 'uint64':
      return Float64Array.from(new BigUint64Array(buffer, from, count), Number);
  }
}

const WIDTHS: Record<Datatype, 1 | 2 | 4 | 8> = {
  uint8: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  float32: 4,
  float64: 8,
  int64: 8,
  uint64: 8,
};

export function swapBytes(memory: Uint8Array, width: 2 | 4 | 8): void {
  const bytes = Buffer.from(memory.buffer, memory.byteOffset, memory.length);
  if (width === 2) bytes.swap16();
  else if (width === 4) bytes.swap32();
  else bytes.swap64();
}

/** value · slope + inter in double precision; kept in float32 unless the raw values need more. */
function scale(raw: VoxelArray, slope: number, inter: number): VoxelArray {
  if (slope === 1 && inter === 0) return raw;
  const wide = raw instanceof Float64Array || raw instanceof Int32Array || raw instanceof Uint32Array;
  const scaled = wide ? new Float64Array(raw.length) : new Float32Array(raw.length);
  for (let index = 0; index < raw.length; index += 1) scaled[index] = raw[index]! * slope + inter;
  return scaled;
}
