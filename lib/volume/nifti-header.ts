import { NIFTI1, NIFTI2 } from 'nifti-reader-js';
import { Fault } from '../fault.ts';
import type { Affine } from './affine.ts';
import { MAX_DATA_BYTES, MAX_VOXELS } from './limits.ts';
import { type AffineSource, resolveAffine } from './nifti-geometry.ts';
import { LAYOUT, type NiftiVersion, NO_EXTENSIONS_BYTES } from './nifti-layout.ts';
import { type NiftiPlace, readPlace } from './nifti-place.ts';

/**
 * NIfTI-1 and NIfTI-2 headers (nifti1.h, nifti2.h). nifti-reader-js finds the fields; what they mean is decided here, by
 * checks that name the field, because the reader takes everything for granted: it prefers the qform where nibabel prefers
 * the sform, computes NaN for half turns, and does not look at sizes.
 */

/** Data types of one number per voxel, by NIfTI code. Colours, complex numbers and 128-bit floats are refused by name. */
const DATATYPES = {
  2: { name: 'uint8', bytes: 1 },
  4: { name: 'int16', bytes: 2 },
  8: { name: 'int32', bytes: 4 },
  16: { name: 'float32', bytes: 4 },
  64: { name: 'float64', bytes: 8 },
  256: { name: 'int8', bytes: 1 },
  512: { name: 'uint16', bytes: 2 },
  768: { name: 'uint32', bytes: 4 },
  1024: { name: 'int64', bytes: 8 },
  1280: { name: 'uint64', bytes: 8 },
} as const;
export type Datatype = (typeof DATATYPES)[keyof typeof DATATYPES]['name'];

const REFUSED_DATATYPES: Record<number, string> = {
  0: 'no data type',
  1: '1-bit',
  32: 'complex64',
  128: 'RGB24',
  1536: 'float128',
  1792: 'complex128',
  2048: 'complex256',
  2304: 'RGBA32',
};

export interface NiftiHeader {
  readonly version: NiftiVersion;
  readonly littleEndian: boolean;
  /** As the header counts: 2 to 7 axes, the first fastest. */
  readonly shape: readonly number[];
  readonly datatype: Datatype;
  readonly bytesPerVoxel: number;
  /** Voxel sizes as the header says, which may differ from the affine; from the affine where the header names none. */
  readonly zooms: readonly number[];
  readonly voxelOffset: number;
  readonly slope: number;
  readonly inter: number;
  readonly qformCode: number;
  readonly sformCode: number;
  /** From which field `voxelToWorld` is; `none`: the header names no orientation. */
  readonly affineSource: AffineSource;
  readonly voxelToWorld: Affine;
  /** The fields behind `voxelToWorld`, for masks on this grid. */
  readonly place: NiftiPlace;
  /** What was mended or is doubtful, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * Reads and checks the header at the start of `bytes` (gunzipped, at least 348 of them if there are so many).
 * Faults: NIFTI_EMPTY, NIFTI_MAGIC, NIFTI_PAIR, NIFTI_TRUNCATED, NIFTI_DIMENSIONS, NIFTI_TOO_LARGE, NIFTI_DATATYPE,
 * NIFTI_BITPIX, NIFTI_VOX_OFFSET, NIFTI_SCALING, NIFTI_PIXDIM, NIFTI_QUATERNION, AFFINE_NOT_FINITE, AFFINE_SINGULAR.
 */
export function parseNiftiHeader(bytes: Uint8Array, at: string): NiftiHeader {
  const { version, fields, view } = readFields(bytes, at);
  const shape = checkShape(fields, at);
  const datatype = checkDatatype(fields, at);
  checkSize(shape, datatype.bytes, at);
  const notes: string[] = [];
  const geometry = resolveAffine(version, fields, view, shape, notes, at);
  return {
    version,
    littleEndian: fields.littleEndian,
    shape,
    datatype: datatype.name,
    bytesPerVoxel: datatype.bytes,
    voxelOffset: checkOffset(version, fields, at),
    ...checkScaling(fields, at),
    qformCode: fields.qform_code,
    sformCode: fields.sform_code,
    ...geometry,
    place: readPlace(version, view, fields.littleEndian),
    notes,
  };
}

type Fields = NIFTI1 | NIFTI2;

/** Finds version and byte order, and lets the reader parse exactly the header: extensions are none of our business. */
function readFields(bytes: Uint8Array, at: string): { version: NiftiVersion; fields: Fields; view: DataView } {
  if (bytes.length === 0) {
    throw new Fault('NIFTI_EMPTY', { at, found: 'an empty file', expected: 'a NIfTI volume', fix: 'Fetch it again' });
  }
  const version = versionOf(bytes);
  if (version === null) {
    throw new Fault('NIFTI_MAGIC', {
      at,
      found: 'a file that does not begin like NIfTI',
      expected: 'a NIfTI-1 or NIfTI-2 header in a single .nii or .nii.gz file',
      fix: 'Convert the scan, e.g. with dcm2niix, or name the right file',
    });
  }
  const length = LAYOUT[version].headerBytes;
  if (bytes.length < length) throw truncated(at, `${bytes.length} bytes`, `a header of ${length} bytes`);
  // A copy: the reader wants an ArrayBuffer that starts at the header, and reads extensions if it sees more than that.
  const header = new Uint8Array(bytes.subarray(0, length));
  checkMagic(version, header, at);
  const fields = version === 1 ? new NIFTI1() : new NIFTI2();
  fields.readHeader(header.buffer);
  return { version, fields, view: new DataView(header.buffer) };
}

/** By `sizeof_hdr` in either byte order. */
function versionOf(bytes: Uint8Array): NiftiVersion | null {
  if (bytes.length < 4) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 4);
  for (const size of [view.getInt32(0, true), view.getInt32(0, false)]) {
    if (size === LAYOUT[1].headerBytes) return 1;
    if (size === LAYOUT[2].headerBytes) return 2;
  }
  return null;
}

function checkMagic(version: NiftiVersion, header: Uint8Array, at: string): void {
  const start = LAYOUT[version].magic;
  const magic = String.fromCharCode(...header.subarray(start, start + 3));
  if (magic === `n+${version}`) return;
  if (magic === `ni${version}`) {
    throw new Fault('NIFTI_PAIR', {
      at,
      found: 'the header of a .hdr/.img pair',
      expected: 'header and voxels in one file',
      fix: 'Convert the pair to a single .nii.gz file',
    });
  }
  throw new Fault('NIFTI_MAGIC', {
    at,
    found: 'a header without the NIfTI mark (an ANALYZE file says nothing about orientation)',
    expected: `n+${version}`,
    fix: 'Convert the scan to NIfTI from its source, e.g. with dcm2niix',
  });
}

function checkShape(fields: Fields, at: string): number[] {
  const rank = fields.dims[0]!;
  const shape = fields.dims.slice(1, 1 + Math.max(0, rank));
  const valid = rank >= 1 && rank <= 7 && shape.every((size) => Number.isSafeInteger(size) && size >= 1);
  if (!valid) {
    throw new Fault('NIFTI_DIMENSIONS', {
      at,
      found: rank >= 1 && rank <= 7 ? `dim = ${shape.join(' x ')}` : `dim[0] = ${rank} axes`,
      expected: '1 to 7 axes, each of at least one voxel',
      fix: 'Export the file again: its header is damaged',
    });
  }
  return rank === 1 ? [shape[0]!, 1] : shape;
}

function checkDatatype(fields: Fields, at: string): { name: Datatype; bytes: number } {
  const code = fields.datatypeCode;
  const datatype = (DATATYPES as Record<number, { name: Datatype; bytes: number }>)[code];
  if (!datatype) {
    throw new Fault('NIFTI_DATATYPE', {
      at,
      found: `data type ${code} (${REFUSED_DATATYPES[code] ?? 'unknown'})`,
      expected: 'one integer or floating-point number per voxel',
      fix: 'Convert the file to int16 or float32',
    });
  }
  if (fields.numBitsPerVoxel !== datatype.bytes * 8) {
    throw new Fault('NIFTI_BITPIX', {
      at,
      found: `bitpix ${fields.numBitsPerVoxel} with data type ${datatype.name}`,
      expected: `bitpix ${datatype.bytes * 8}`,
      fix: 'Export the file again: its header contradicts itself',
    });
  }
  return datatype;
}

function checkSize(shape: readonly number[], bytesPerVoxel: number, at: string): void {
  const voxels = shape.reduce((product, size) => product * size, 1);
  const bytes = voxels * bytesPerVoxel;
  if (bytes <= MAX_DATA_BYTES && voxels <= MAX_VOXELS) return;
  throw new Fault('NIFTI_TOO_LARGE', {
    at,
    found: `${shape.join(' x ')} voxels, ${(bytes / 2 ** 30).toFixed(1)} GiB`,
    expected: `at most ${MAX_VOXELS / 1e6} million voxels and ${MAX_DATA_BYTES / 2 ** 30} GiB`,
    fix: 'Export the file again if its header is damaged, or crop the scan',
  });
}

function checkOffset(version: NiftiVersion, fields: Fields, at: string): number {
  const least = LAYOUT[version].headerBytes + NO_EXTENSIONS_BYTES;
  const offset = fields.vox_offset;
  if (Number.isSafeInteger(offset) && offset >= least && offset <= MAX_DATA_BYTES) return offset;
  throw new Fault('NIFTI_VOX_OFFSET', {
    at,
    found: `vox_offset ${offset}`,
    expected: `a whole number of at least ${least}`,
    fix: 'Export the file again: its header is damaged',
  });
}

/** As nibabel: a slope of 0 or one that is not finite means no scaling; a real slope needs a finite intercept. */
function checkScaling(fields: Fields, at: string): { slope: number; inter: number } {
  const { scl_slope: slope, scl_inter: inter } = fields;
  if (slope === 0 || !Number.isFinite(slope)) return { slope: 1, inter: 0 };
  if (Number.isFinite(inter)) return { slope, inter };
  throw new Fault('NIFTI_SCALING', {
    at,
    found: `scl_slope ${slope} with scl_inter ${inter}`,
    expected: 'a finite intercept',
    fix: 'Export the file again: its values cannot be scaled',
  });
}

export function truncated(at: string, found: string, expected: string): Fault {
  return new Fault('NIFTI_TRUNCATED', { at, found, expected, fix: 'Fetch or export the file again' });
}
