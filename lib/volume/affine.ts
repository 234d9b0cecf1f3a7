/**
 * Voxel-to-world affines: 4 x 4, row-major, 16 numbers, last row 0 0 0 1. They map voxel indices (i, j, k, 1), voxel
 * centres at whole numbers, to world millimetres in RAS+ (x to the patient's right, y to the front, z to the head).
 */
export type Affine = readonly number[];

export type Vector3 = readonly [number, number, number];
export type Shape3 = [number, number, number];

export const IDENTITY: Affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/** a · b: first b, then a. */
export function multiplyAffines(a: Affine, b: Affine): number[] {
  const product = new Array<number>(16).fill(0);
  for (let row = 0; row < 4; row += 1) {
    for (let column = 0; column < 4; column += 1) {
      let sum = 0;
      for (let k = 0; k < 4; k += 1) sum += a[row * 4 + k]! * b[k * 4 + column]!;
      product[row * 4 + column] = sum;
    }
  }
  return product;
}

/** World millimetres of a voxel index (fractions allowed). */
export function applyAffine(voxelToWorld: Affine, [i, j, k]: Vector3): [number, number, number] {
  const row = (r: number) =>
    voxelToWorld[r * 4]! * i + voxelToWorld[r * 4 + 1]! * j + voxelToWorld[r * 4 + 2]! * k + voxelToWorld[r * 4 + 3]!;
  return [row(0), row(1), row(2)];
}

/** Column `axis` of the 3 x 3 part: the world step, in mm, of one voxel along that voxel axis. */
export function axisStepMm(voxelToWorld: Affine, axis: number): [number, number, number] {
  return [voxelToWorld[axis]!, voxelToWorld[4 + axis]!, voxelToWorld[8 + axis]!];
}

/** Distance between neighbouring voxel centres along each voxel axis, in mm. */
export function voxelSizesMm(voxelToWorld: Affine): [number, number, number] {
  const size = (axis: number) => Math.hypot(...axisStepMm(voxelToWorld, axis));
  return [size(0), size(1), size(2)];
}

/** How far two of the voxel axes are from a right angle: the largest cosine between any two, 0 for a grid without shear. */
export function largestSkew(voxelToWorld: Affine): number {
  const steps = [0, 1, 2].map((axis) => axisStepMm(voxelToWorld, axis));
  const cosine = (a: number, b: number): number => {
    const dot = steps[a]!.reduce((sum, value, row) => sum + value * steps[b]![row]!, 0);
    return Math.abs(dot) / (Math.hypot(...steps[a]!) * Math.hypot(...steps[b]!));
  };
  return Math.max(cosine(0, 1), cosine(0, 2), cosine(1, 2));
}

export function determinant3(m: Affine): number {
  return (
    m[0]! * (m[5]! * m[10]! - m[6]! * m[9]!) -
    m[1]! * (m[4]! * m[10]! - m[6]! * m[8]!) +
    m[2]! * (m[4]! * m[9]! - m[5]! * m[8]!)
  );
}

/** From rows of four, as headers and `volumes.json` write them. */
export function affineOfRows(rows: readonly (readonly number[])[]): number[] {
  return rows.flatMap((row) => [...row]);
}

/** To rows of four, for people to read. */
export function affineRows(affine: Affine): number[][] {
  return [0, 4, 8, 12].map((at) => affine.slice(at, at + 4));
}

/**
 * NIfTI's qform: rotation by the unit quaternion (a, b, c, d), of which b, c, d are stored, scaled by the voxel sizes,
 * the third axis turned by qfac (nifti1.h, "method 2"). Null where b² + c² + d² exceeds 1 by more than float32 noise.
 *
 * a = √(1 − b² − c² − d²) is computed here and not taken from the reader: for half turns the sum is 1 and float32 noise
 * makes it slightly more, where a plain square root is NaN. nibabel snaps the same way (`fillpositive`).
 */
export function affineOfQuaternion(
  [b, c, d]: Vector3,
  sizesMm: Vector3,
  qfac: 1 | -1,
  offsetMm: Vector3,
): number[] | null {
  const rest = 1 - (b * b + c * c + d * d);
  // As nibabel: below three float32 epsilons a is zero; beyond a hundredth of a thousandth the quaternion is no rotation.
  if (!(rest > -1e-5)) return null;
  const a = rest < 3 * 2 ** -23 ? 0 : Math.sqrt(rest);
  // Dividing by the squared norm keeps the matrix a rotation where the stored numbers were rounded.
  const s = 2 / (a * a + b * b + c * c + d * d);
  const rotation = [
    [1 - s * (c * c + d * d), s * (b * c - a * d), s * (b * d + a * c)],
    [s * (b * c + a * d), 1 - s * (b * b + d * d), s * (c * d - a * b)],
    [s * (b * d - a * c), s * (c * d + a * b), 1 - s * (b * b + c * c)],
  ];
  // Adding 0 makes a negative zero a plain one.
  const scales = [sizesMm[0], sizesMm[1], sizesMm[2] * qfac];
  return [
    ...rotation.flatMap((row, r) => [...row.map((value, axis) => value * scales[axis]! + 0), offsetMm[r]!]),
    ...[0, 0, 0, 1],
  ];
}

/**
 * The quaternion (b, c, d) and qfac of an affine whose axes are at right angles, or null where they are not (shear,
 * which a qform cannot say). Shepperd's method: divide by the largest of the four components, never by a small one.
 */
export function quaternionOfAffine(voxelToWorld: Affine): { bcd: [number, number, number]; qfac: 1 | -1 } | null {
  const qfac = determinant3(voxelToWorld) < 0 ? -1 : 1;
  const unit = (axis: 0 | 1 | 2, sign: number) => {
    const [x, y, z] = axisStepMm(voxelToWorld, axis);
    const length = Math.hypot(x, y, z) * sign;
    return [x / length, y / length, z / length] as const;
  };
  const [i, j, k] = [unit(0, 1), unit(1, 1), unit(2, qfac)];
  const dot = (a: Vector3, b: Vector3) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  if (Math.max(Math.abs(dot(i, j)), Math.abs(dot(i, k)), Math.abs(dot(j, k))) > 1e-5) return null;
  // Four times the squares of a, b, c, d.
  const squares = [1 + i[0] + j[1] + k[2], 1 + i[0] - j[1] - k[2], 1 - i[0] + j[1] - k[2], 1 - i[0] - j[1] + k[2]];
  const largest = squares.indexOf(Math.max(...squares));
  const root = Math.sqrt(squares[largest]!) / 2;
  // Products of two components, divided by the largest one.
  const [ab, ac, ad] = [j[2] - k[1], k[0] - i[2], i[1] - j[0]].map((sum) => sum / (4 * root)) as [
    number,
    number,
    number,
  ];
  const [bc, bd, cd] = [i[1] + j[0], i[2] + k[0], j[2] + k[1]].map((sum) => sum / (4 * root)) as [
    number,
    number,
    number,
  ];
  const rows: [number, number, number, number][] = [
    [root, ab, ac, ad],
    [ab, root, bc, bd],
    [ac, bc, root, cd],
    [ad, bd, cd, root],
  ];
  const [a, b, c, d] = rows[largest]!;
  // The header stores no a: it is taken as positive, and (-a, -b, -c, -d) is the same rotation.
  const sign = a < 0 ? -1 : 1;
  return { bcd: [b * sign, c * sign, d * sign], qfac };
}

/**
 * The largest distance, in mm, between where two affines put the same voxel of a grid. The difference of two affines is
 * linear, so its largest value lies on one of the eight corners: this is exact, and means something to a reader.
 */
export function largestDisplacementMm(one: Affine, other: Affine, shape: Vector3): number {
  let largest = 0;
  for (let corner = 0; corner < 8; corner += 1) {
    const voxel: Vector3 = [
      corner & 1 ? shape[0] - 1 : 0,
      corner & 2 ? shape[1] - 1 : 0,
      corner & 4 ? shape[2] - 1 : 0,
    ];
    const [ax, ay, az] = applyAffine(one, voxel);
    const [bx, by, bz] = applyAffine(other, voxel);
    const distance = Math.hypot(ax - bx, ay - by, az - bz);
    // NaN must not pass as agreement.
    if (!(distance <= largest)) largest = distance;
  }
  return largest;
}
