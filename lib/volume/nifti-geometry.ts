import type { NIFTI1, NIFTI2 } from 'nifti-reader-js';
import { Fault } from '../fault.ts';
import { type Affine, affineOfQuaternion, largestDisplacementMm, type Shape3, voxelSizesMm } from './affine.ts';
import { checkAffine } from './affine-check.ts';
import { LAYOUT, type NiftiVersion } from './nifti-layout.ts';
import { axisCodes, isUsableAffine, orientationOf } from './orientation.ts';

/** Where a NIfTI volume lies: the choice between its two affines, and the checks on them. */

export type AffineSource = 'sform' | 'qform' | 'none';

type Fields = NIFTI1 | NIFTI2;

/** Meanings that nifti1.h gives to sform_code and qform_code. nibabel takes any other code for 0, and so does samflow. */
const LARGEST_CODE = 5;

export interface Geometry {
  readonly voxelToWorld: Affine;
  readonly affineSource: AffineSource;
  /** Voxel size of each axis: what the header says, or, where that is no size, what the affine says. */
  readonly zooms: readonly number[];
}

/** The sform where it is set, else the qform, as nibabel; else nibabel's guess for files that name no orientation. */
export function resolveAffine(
  version: NiftiVersion,
  fields: Fields,
  view: DataView,
  shape: readonly number[],
  notes: string[],
  at: string,
): Geometry {
  const sizes = [1, 2, 3].map((axis) => Math.abs(fields.pixDims[axis]!)) as Shape3;
  const grid: Shape3 = [shape[0]!, shape[1]!, shape[2] ?? 1];
  const zooms = fields.pixDims.slice(1, 1 + shape.length).map(Math.abs);
  noteUnits(fields, notes);
  const [sform, qform] = ['sform', 'qform'].map((form) => isSet(fields, form as 'sform' | 'qform', notes));
  if (sform) {
    const voxelToWorld = checkAffine(readSform(version, view, fields.littleEndian), 'an sform', at);
    const fromAffine = voxelSizesMm(voxelToWorld);
    noteSizes(fromAffine, sizes, Math.min(shape.length, 3), notes);
    if (qform) noteDisagreement(voxelToWorld, qformOf(fields, sizes), grid, notes);
    const usable = zooms.map((size, axis) => (isSize(size) || axis > 2 ? size : fromAffine[axis]!));
    return { voxelToWorld, affineSource: 'sform', zooms: usable };
  }
  if (shape.length === 2 && !isSize(sizes[2])) {
    sizes[2] = 1;
    notes.push('the header names no thickness for its one slice: 1 mm was taken, as nibabel does');
  }
  checkSizes(sizes, at);
  if (qform) {
    checkTurn(fields, at);
    const voxelToWorld = qformOf(fields, sizes);
    if (voxelToWorld === null) throw quaternionFault('a qform quaternion longer than 1', 'a rotation', at);
    return { voxelToWorld: checkAffine(voxelToWorld, 'a qform', at), affineSource: 'qform', zooms };
  }
  notes.push('the header names no orientation (qform_code and sform_code are 0): read as nibabel does, x to the left');
  const voxelToWorld = checkAffine(affineWithoutOrientation(sizes, grid), 'a header', at);
  return { voxelToWorld, affineSource: 'none', zooms };
}

function isSet(fields: Fields, form: 'sform' | 'qform', notes: string[]): boolean {
  const code = form === 'sform' ? fields.sform_code : fields.qform_code;
  if (code < 0 || code > LARGEST_CODE) notes.push(`${form}_code ${code} has no meaning: the ${form} was not used`);
  return code > 0 && code <= LARGEST_CODE;
}

const isSize = (mm: number) => Number.isFinite(mm) && mm > 0;

function checkSizes(sizes: Shape3, at: string): void {
  if (sizes.every(isSize)) return;
  throw new Fault('NIFTI_PIXDIM', {
    at,
    found: `voxel sizes ${sizes.join(' x ')} mm and no sform`,
    expected: 'sizes above zero',
    fix: 'Export the file again with its voxel sizes, or set the sform',
  });
}

/**
 * qfac says whether the third axis is mirrored. Below zero, nifti1.h reads -1 and nibabel, unless it is exactly that, 1: a
 * file on which they disagree has no known side.
 */
function checkTurn({ pixDims }: Fields, at: string): void {
  const qfac = pixDims[0]!;
  if (qfac < 0 && qfac !== -1) throw quaternionFault(`a qform with pixdim[0] ${qfac}`, '1 or -1', at);
}

const quaternionFault = (found: string, expected: string, at: string) =>
  new Fault('NIFTI_QUATERNION', { at, found, expected, fix: 'Export the file again: its orientation is damaged' });

function readSform(version: NiftiVersion, view: DataView, littleEndian: boolean): number[] {
  const { srow, realBytes } = LAYOUT[version];
  const values = Array.from({ length: 12 }, (_, index) => {
    const at = srow + realBytes * index;
    return version === 1 ? view.getFloat32(at, littleEndian) : view.getFloat64(at, littleEndian);
  });
  // Files are full of negative zeros; adding 0 makes them plain.
  return [...values.map((value) => value + 0), 0, 0, 0, 1];
}

function qformOf(fields: Fields, sizes: Shape3): number[] | null {
  // pixdim[0] holds qfac; 0 means 1 (nifti1.h).
  const qfac = fields.pixDims[0]! < 0 ? -1 : 1;
  const { quatern_b: b, quatern_c: c, quatern_d: d } = fields;
  return affineOfQuaternion([b, c, d], sizes, qfac, [fields.qoffset_x, fields.qoffset_y, fields.qoffset_z]);
}

/** nibabel's `get_base_affine`: axes LAS, the origin in the middle of the grid. */
function affineWithoutOrientation([sx, sy, sz]: Shape3, [nx, ny, nz]: Shape3): number[] {
  const middle = (count: number, size: number) => -((count - 1) / 2) * size;
  return [-sx, 0, 0, -middle(nx, sx), 0, sy, 0, middle(ny, sy), 0, 0, sz, middle(nz, sz), 0, 0, 0, 1];
}

function noteUnits(fields: Fields, notes: string[]): void {
  const unit = fields.xyzt_units & 7;
  const name = unit === 1 ? 'metres' : unit === 3 ? 'micrometres' : null;
  if (name) notes.push(`the header's lengths are in ${name}; they were read as millimetres, as other readers do`);
}

function noteSizes(fromAffine: Shape3, fromHeader: Shape3, rank: number, notes: string[]): void {
  const differs = fromAffine.slice(0, rank).some((size, axis) => !(Math.abs(size - fromHeader[axis]!) <= 0.01 * size));
  if (!differs) return;
  const show = (sizes: Shape3) => sizes.map((size) => Number(size.toPrecision(6))).join(' x ');
  notes.push(`voxel size ${show(fromHeader)} in the header was replaced by ${show(fromAffine)} mm from the affine`);
}

/** Two orientations that differ by more than a hundredth of a voxel are worth a line; the sform is used all the same. */
function noteDisagreement(sform: Affine, qform: Affine | null, grid: Shape3, notes: string[]): void {
  if (qform === null || !isUsableAffine(qform)) {
    notes.push('the qform is not usable; the sform was used');
    return;
  }
  const displacementMm = largestDisplacementMm(sform, qform, grid);
  if (displacementMm <= 0.01 * Math.min(...voxelSizesMm(sform))) return;
  const codes = [sform, qform].map((affine) => axisCodes(orientationOf(affine)));
  notes.push(
    `sform (${codes[0]}) and qform (${codes[1]}) differ by up to ${displacementMm.toPrecision(3)} mm; the sform was used`,
  );
}
