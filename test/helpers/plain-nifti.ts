import { gunzipSync } from 'node:zlib';

/**
 * A reader of NIfTI-1 files that shares nothing with lib/volume: nifti1.h and no more (little-endian, uint8, int16 or
 * float32), so that what is written can be judged by somebody else.
 */
export interface PlainNifti {
  /** dim[1..3] */
  readonly shape: readonly [number, number, number];
  readonly codes: { readonly qform: number; readonly sform: number };
  readonly voxels: Uint8Array | Int16Array | Float32Array;
  /** World millimetres of a voxel by the sform, and by the qform. */
  bySform(i: number, j: number, k: number): number[];
  byQform(i: number, j: number, k: number): number[];
  /** dim, pixdim, and all from qform_code to srow_z, as they stand in the file. */
  readonly geometryBytes: string;
  /** Text of the first header extension, with its code. */
  readonly extension: { readonly code: number; readonly text: string } | null;
}

export function readPlainNifti(gzipped: Uint8Array): PlainNifti {
  const bytes = new Uint8Array(gunzipSync(gzipped));
  const view = new DataView(bytes.buffer);
  const short = (at: number): number => view.getInt16(at, true);
  const float = (at: number): number => view.getFloat32(at, true);
  const floats = (at: number, count: number): number[] => Array.from({ length: count }, (_, n) => float(at + 4 * n));
  if (view.getInt32(0, true) !== 348) throw new Error('no little-endian NIfTI-1 header');

  const kinds = { 2: Uint8Array, 4: Int16Array, 16: Float32Array };
  const kind = kinds[short(70) as keyof typeof kinds];
  const data = bytes.slice(float(108));
  const at = (row: readonly number[], voxel: readonly number[]): number =>
    row.reduce((sum, value, axis) => sum + value * (voxel[axis] ?? 1), 0);
  const srow = [280, 296, 312].map((start) => floats(start, 4));
  const turn = rotationOf(floats(256, 3));
  const sizes = [float(80), float(84), float(88) * (float(76) < 0 ? -1 : 1)];
  const qrow = turn.map((row, axis) => [...row.map((value, n) => value * sizes[n]!), float(268 + 4 * axis)]);
  const hex = (from: number, to: number): string => Buffer.from(bytes.subarray(from, to)).toString('hex');
  const hasExtension = bytes[348] === 1;
  return {
    shape: [short(42), short(44), short(46)],
    codes: { qform: short(252), sform: short(254) },
    voxels: new kind(data.buffer),
    bySform: (...voxel) => srow.map((row) => at(row, voxel)),
    byQform: (...voxel) => qrow.map((row) => at(row, voxel)),
    geometryBytes: [hex(40, 56), hex(76, 108), hex(252, 328)].join(),
    extension: hasExtension
      ? {
          code: view.getInt32(356, true),
          text: Buffer.from(bytes.subarray(360, 352 + view.getInt32(352, true)))
            .toString()
            .trimEnd(),
        }
      : null,
  };
}

/** nifti1.h, method 2. */
function rotationOf([b, c, d]: readonly number[]): number[][] {
  const [x, y, z] = [b!, c!, d!];
  const a = Math.sqrt(Math.max(0, 1 - x * x - y * y - z * z));
  return [
    [a * a + x * x - y * y - z * z, 2 * (x * y - a * z), 2 * (x * z + a * y)],
    [2 * (x * y + a * z), a * a + y * y - x * x - z * z, 2 * (y * z - a * x)],
    [2 * (x * z - a * y), 2 * (y * z + a * x), a * a + z * z - x * x - y * y],
  ];
}
