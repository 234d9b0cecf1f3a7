import { Fault } from '../fault.ts';
import { type Affine, voxelSizesMm } from './affine.ts';
import { isUsableAffine } from './orientation.ts';

/** Voxels of 10 nm to 100 m, within 100 km of the origin: beyond lie flipped bits, and numbers that overflow when multiplied. */
const SIZES_MM = [1e-5, 1e5] as const;
const FARTHEST_MM = 1e8;

/** Faults AFFINE_NOT_FINITE, AFFINE_SINGULAR, AFFINE_RANGE; `what` is e.g. "an sform". */
export function checkAffine(affine: Affine, what: string, at: string): Affine {
  const refuse = (code: string, found: string, expected: string) =>
    new Fault(code, { at, found, expected, fix: 'Export the file again: its orientation is damaged' });
  if (!affine.every(Number.isFinite)) {
    throw refuse('AFFINE_NOT_FINITE', `${what} with NaN or infinity`, 'finite numbers');
  }
  const sizes = voxelSizesMm(affine);
  const wrong = sizes.find((mm) => mm > SIZES_MM[1] || (mm > 0 && mm < SIZES_MM[0]));
  if (wrong !== undefined) {
    throw refuse('AFFINE_RANGE', `${what} with voxels of ${short(wrong)} mm`, `${SIZES_MM.map(short).join(' to ')} mm`);
  }
  const far = [affine[3]!, affine[7]!, affine[11]!].find((mm) => Math.abs(mm) > FARTHEST_MM);
  if (far !== undefined) {
    throw refuse('AFFINE_RANGE', `${what} with an origin at ${short(far)} mm`, `at most ${short(FARTHEST_MM)} mm`);
  }
  if (!isUsableAffine(affine)) {
    throw refuse('AFFINE_SINGULAR', `${what} whose axes do not span space`, 'three independent axes');
  }
  return affine;
}

const short = (mm: number) => String(Number(mm.toPrecision(3)));
