import { Fault } from '../fault.ts';
import type { Vector3 } from './affine.ts';
import { checkAffine } from './affine-check.ts';
import { MAY_SHOW_NAMES } from './dicom-burned-in.ts';
import type { DicomHeader } from './dicom-header.ts';

/** The slices of one series in order along their normal, and the grid that they make. */
export interface SeriesGrid {
  /** Order of the files: `order[k]` is the place, in the list given, of slice k. */
  readonly order: number[];
  /** Voxel (column, row, slice) to RAS+ millimetres, row-major 4 x 4. */
  readonly voxelToWorld: number[];
  readonly notes: string[];
}

/** How far, as a fraction of the spacing, a slice may lie from its place on an even grid. */
const POSITION_TOLERANCE = 0.1;
/** Numbers in headers are rounded to a few decimals; what differs by less is the same. */
const SAME = 1e-3;

/**
 * Lays the slices of a series onto one even grid, by position and not by file name or instance number. A grid that is not
 * even is refused: a missing slice would shift every organ behind it.
 *
 * Faults: DICOM_MIXED_SERIES, DICOM_DUPLICATE_SLICE, DICOM_GAP, DICOM_SHEAR, DICOM_NO_SPACING, AFFINE_RANGE.
 */
export function arrangeSeries(headers: readonly DicomHeader[]): SeriesGrid {
  const first = headers[0]!;
  for (const header of headers) checkSameSeries(first, header);
  const normal = cross(first.rowDirectionLps, first.columnDirectionLps);
  const along = headers.map(({ positionLpsMm }) => dot(positionLpsMm, normal));
  const order = [...headers.keys()].sort((a, b) => along[a]! - along[b]!);
  const sorted = order.map((at) => ({ header: headers[at]!, mm: along[at]! }));
  const notes: string[] = headers.some((header) => header.mayShowNames) ? [MAY_SHOW_NAMES] : [];
  const stepMm = sorted.length > 1 ? evenStep(sorted, notes) : thicknessOf(first, notes);
  const origin = sorted[0]!.header;
  checkShear(sorted, normal, stepMm);
  const voxelToWorld = checkAffine(gridAffine(origin, normal, stepMm), 'a series', origin.name);
  return { order, voxelToWorld: [...voxelToWorld], notes };
}

function checkSameSeries(one: DicomHeader, other: DicomHeader): void {
  const differs = (what: string, values = '') =>
    new Fault('DICOM_MIXED_SERIES', {
      at: other.name,
      found: `another ${what} than in ${one.name}${values && ` (${values})`}`,
      expected: 'the slices of one series in a folder',
      fix: 'Put each series into its own folder',
    });
  // UIDs are not shown: they can lead to the patient.
  if (one.seriesUid !== other.seriesUid) throw differs('series UID');
  const [size, otherSize] = [one, other].map(({ columns, rows }) => `${columns} x ${rows}`);
  if (size !== otherSize) throw differs('size', `${otherSize}, not ${size}`);
  const near = (a: readonly number[], b: readonly number[]) => a.every((value, i) => Math.abs(value - b[i]!) <= SAME);
  if (!near(one.pixelSpacingMm, other.pixelSpacingMm)) {
    throw differs('pixel spacing', `${other.pixelSpacingMm.join(' x ')}, not ${one.pixelSpacingMm.join(' x ')} mm`);
  }
  const cosines = (header: DicomHeader) => [...header.rowDirectionLps, ...header.columnDirectionLps];
  if (!near(cosines(one), cosines(other))) throw differs('orientation');
  // All slices are scaled into one number type; a scale per slice (PET) would be cut to it.
  if (one.rescale.some((value, index) => value !== other.rescale[index])) {
    throw differs('rescale slope and intercept', `${other.rescale.join(', ')}, not ${one.rescale.join(', ')}`);
  }
}

interface Placed {
  readonly header: DicomHeader;
  /** Position along the normal. */
  readonly mm: number;
}

function evenStep(sorted: readonly Placed[], notes: string[]): number {
  const steps = sorted.slice(1).map(({ mm }, k) => mm - sorted[k]!.mm);
  const typical = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)]!;
  steps.forEach((step, k) => {
    if (step <= Math.max(SAME, POSITION_TOLERANCE * typical)) throw duplicate(sorted[k]!.header, sorted[k + 1]!.header);
  });
  const stepMm = (sorted.at(-1)!.mm - sorted[0]!.mm) / steps.length;
  const errors = sorted.map(({ mm }, k) => Math.abs(mm - sorted[0]!.mm - k * stepMm));
  const worst = Math.max(...errors);
  if (worst > POSITION_TOLERANCE * stepMm) {
    const largest = steps.indexOf(Math.max(...steps));
    throw new Fault('DICOM_GAP', {
      at: sorted[largest + 1]!.header.name,
      found: `a step of ${round(steps[largest]!)} mm to the slice before it`,
      expected: `${round(typical)} mm, as between most slices`,
      fix: 'Fetch the series again: slices are missing, or were acquired unevenly',
    });
  }
  if (worst > SAME * stepMm + 1e-6)
    notes.push(`slices lie up to ${round(worst)} mm off an even grid; it was evened out`);
  return stepMm;
}

function duplicate(one: DicomHeader, other: DicomHeader): Fault {
  return new Fault('DICOM_DUPLICATE_SLICE', {
    at: other.name,
    found: `a slice at the position of ${one.name}`,
    expected: 'one slice per position',
    fix: 'Remove the duplicates; a time series needs one folder per time',
  });
}

function thicknessOf({ name, sliceThicknessMm }: DicomHeader, notes: string[]): number {
  if (sliceThicknessMm === null) {
    throw new Fault('DICOM_NO_SPACING', {
      at: name,
      found: 'one slice without a thickness',
      expected: 'several slices, or SliceThickness',
      fix: 'Use the whole series',
    });
  }
  notes.push(`the series has one slice: its thickness of ${sliceThicknessMm} mm was taken as the slice spacing`);
  return sliceThicknessMm;
}

/** A tilted gantry moves each slice sideways: such a stack is no box of voxels. */
function checkShear(sorted: readonly Placed[], normal: Vector3, stepMm: number): void {
  const [{ header: first, mm: start }] = sorted as [Placed, ...Placed[]];
  for (const { header, mm } of sorted) {
    const sideways = header.positionLpsMm.map(
      (value, axis) => value - first.positionLpsMm[axis]! - (mm - start) * normal[axis]!,
    );
    const offMm = Math.hypot(...sideways);
    if (offMm <= POSITION_TOLERANCE * Math.min(...first.pixelSpacingMm, stepMm)) continue;
    throw new Fault('DICOM_SHEAR', {
      at: header.name,
      found: `a slice that lies ${round(offMm)} mm to the side of the first`,
      expected: 'slices straight above each other',
      fix: 'Straighten the scan (gantry tilt) with dcm2niix and use the NIfTI file',
    });
  }
}

/** Columns of the affine: step per column index, per row index, per slice; DICOM's LPS turned into RAS+. */
function gridAffine(origin: DicomHeader, normal: Vector3, stepMm: number): number[] {
  const [betweenRows, betweenColumns] = origin.pixelSpacingMm;
  const lpsToRas = [-1, -1, 1];
  const row = (axis: 0 | 1 | 2) =>
    [
      origin.rowDirectionLps[axis] * betweenColumns,
      origin.columnDirectionLps[axis] * betweenRows,
      normal[axis] * stepMm,
      origin.positionLpsMm[axis],
    ].map((value) => value * lpsToRas[axis]! + 0);
  return [...row(0), ...row(1), ...row(2), 0, 0, 0, 1];
}

const dot = (a: Vector3, b: Vector3) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

const cross = (a: Vector3, b: Vector3): Vector3 => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

const round = (mm: number) => Number(mm.toPrecision(4));
