/**
 * NIfTI as nifti1.h and nifti2.h write it down, read once more without a line of samflow's: what a damaged file says by
 * the standard. Simple and slow; it checks nothing and throws on what it cannot follow.
 */
export interface PlainVolume {
  readonly shape: number[];
  /** Scaled, first axis fastest. */
  readonly values: Float64Array;
  /** Rows of four. */
  readonly affine: number[][];
}

type Reader = (view: DataView, at: number, little: boolean) => number;
const READERS: Record<number, [bytes: number, read: Reader]> = {
  2: [1, (v, at) => v.getUint8(at)],
  4: [2, (v, at, le) => v.getInt16(at, le)],
  8: [4, (v, at, le) => v.getInt32(at, le)],
  16: [4, (v, at, le) => v.getFloat32(at, le)],
  64: [8, (v, at, le) => v.getFloat64(at, le)],
  256: [1, (v, at) => v.getInt8(at)],
  512: [2, (v, at, le) => v.getUint16(at, le)],
  768: [4, (v, at, le) => v.getUint32(at, le)],
  1024: [8, (v, at, le) => Number(v.getBigInt64(at, le))],
  1280: [8, (v, at, le) => Number(v.getBigUint64(at, le))],
};

export function readPlainNifti(file: Uint8Array): PlainVolume {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const little = [348, 540].includes(view.getInt32(0, true));
  const two = view.getInt32(0, little) === 540;
  const real = (at: number) => (two ? view.getFloat64(at, little) : view.getFloat32(at, little));
  const reals = (at: number, count: number) => Array.from({ length: count }, (_, i) => real(at + i * (two ? 8 : 4)));
  const dim = Array.from({ length: 8 }, (_, i) =>
    two ? Number(view.getBigInt64(16 + 8 * i, little)) : view.getInt16(40 + 2 * i, little),
  );
  const shape = dim.slice(1, 1 + dim[0]!);
  if (shape.length === 1) shape.push(1);
  const [bytes, read] = READERS[view.getInt16(two ? 12 : 70, little)]!;
  const offset = two ? Number(view.getBigInt64(168, little)) : real(108);
  const [slope, inter] = reals(two ? 176 : 112, 2) as [number, number];
  const scaled = slope !== 0 && Number.isFinite(slope);
  const count = shape.reduce((product, size) => product * size, 1);
  const values = Float64Array.from({ length: count }, (_, i) => {
    const raw = read(view, offset + i * bytes, little);
    return scaled ? raw * slope + inter : raw;
  });
  const codes = two
    ? [344, 348].map((at) => view.getInt32(at, little))
    : [252, 254].map((at) => view.getInt16(at, little));
  const [qform, sform] = codes.map((code) => code >= 1 && code <= 5);
  const pixdim = reals(two ? 104 : 76, 8);
  const affine = sform
    ? rowsOf(reals(two ? 400 : 280, 12))
    : qform
      ? turned(reals(two ? 352 : 256, 6), pixdim)
      : centred(shape, pixdim);
  return { shape, values, affine };
}

const rowsOf = (twelve: number[]) => [twelve.slice(0, 4), twelve.slice(4, 8), twelve.slice(8), [0, 0, 0, 1]];

/** "Method 2" of nifti1.h. */
function turned([b, c, d, x, y, z]: number[], pixdim: number[]): number[][] {
  const rest = 1 - (b! * b! + c! * c! + d! * d!);
  // A half turn whose numbers were rounded: scaled back to length one, as nifti1_io.c does.
  const length = rest < 1e-7 ? Math.sqrt(b! * b! + c! * c! + d! * d!) : 1;
  const [i, j, k] = [b! / length, c! / length, d! / length];
  const a = rest < 1e-7 ? 0 : Math.sqrt(rest);
  const rotation = [
    [a * a + i * i - j * j - k * k, 2 * i * j - 2 * a * k, 2 * i * k + 2 * a * j],
    [2 * i * j + 2 * a * k, a * a + j * j - i * i - k * k, 2 * j * k - 2 * a * i],
    [2 * i * k - 2 * a * j, 2 * j * k + 2 * a * i, a * a + k * k - j * j - i * i],
  ];
  const sizes = sizesOf(pixdim);
  sizes[2]! *= pixdim[0]! < 0 ? -1 : 1;
  const offset = [x!, y!, z!];
  return [...rotation.map((row, r) => [...row.map((value, axis) => value * sizes[axis]!), offset[r]!]), [0, 0, 0, 1]];
}

/** As nibabel places a grid that nothing places. */
function centred(shape: number[], pixdim: number[]): number[][] {
  const sizes = sizesOf(pixdim);
  const middle = sizes.map((size, axis) => (-((shape[axis] ?? 1) - 1) / 2) * size);
  return [
    [-sizes[0]!, 0, 0, -middle[0]!],
    [0, sizes[1]!, 0, middle[1]!],
    [0, 0, sizes[2]!, middle[2]!],
    [0, 0, 0, 1],
  ];
}

const sizesOf = (pixdim: number[]) => [1, 2, 3].map((axis) => Math.abs(pixdim[axis]!));
