import { readFileSync } from 'node:fs';

/** nibabel's truth for one file, from test/fixtures/nifti/volumes.json. */
export interface Golden {
  shape: number[];
  dtype: string;
  zooms: number[];
  affine: number[][];
  axcodes: string;
  min: number;
  max: number;
  mean: number;
  voxels: { ijk: number[]; value: number }[];
  ras: {
    shape: number[];
    affine: number[][];
    voxels: { ijk: number[]; value: number }[];
    sha256_f32_fortran: string;
  };
}

const FOLDER = new URL('../fixtures/nifti/', import.meta.url);

export const readFixture = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, FOLDER)));

export const GOLDEN: Record<string, Golden> = JSON.parse(readFileSync(new URL('volumes.json', FOLDER), 'utf8'));

/** `int16.nii` (12 x 10 x 8, little-endian NIfTI-1) with its header changed: the way to a malformed file. */
export function changedHeader(change: (header: DataView) => void): Uint8Array {
  const bytes = readFixture('int16.nii');
  change(new DataView(bytes.buffer));
  return bytes;
}

/** Offsets of NIfTI-1 header fields. */
export const FIELD = {
  dim: (axis: number) => 40 + 2 * axis,
  datatype: 70,
  bitpix: 72,
  pixdim: (axis: number) => 76 + 4 * axis,
  voxOffset: 108,
  slope: 112,
  inter: 116,
  units: 123,
  qformCode: 252,
  sformCode: 254,
  quaternion: (index: number) => 256 + 4 * index,
  qoffset: (axis: number) => 268 + 4 * axis,
  sform: (row: number, column: number) => 280 + 4 * (4 * row + column),
  magic: 344,
} as const;
