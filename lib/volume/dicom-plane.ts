import type { DataSet } from 'dicom-parser';
import { Fault } from '../fault.ts';
import type { Vector3 } from './affine.ts';
import { numbers, positive } from './dicom-elements.ts';

/** Where one slice or frame lies. */
export interface Plane {
  /** Centre of the first pixel, LPS. */
  readonly positionLpsMm: Vector3;
  /** Direction in which the column index grows along a row, and the row index along a column; unit vectors, LPS. */
  readonly rowDirectionLps: Vector3;
  readonly columnDirectionLps: Vector3;
}

/** PixelSpacing: between rows, between columns. Fault DICOM_NO_SPACING. */
export function readSpacing(data: DataSet | null, name: string): [number, number] {
  const [row, column] = numbers(data, 'x00280030').map(positive);
  if (row && column) return [row, column];
  throw fault('DICOM_NO_SPACING', name, 'no valid PixelSpacing', 'two sizes above zero', 'Use the original series');
}

/** ImagePositionPatient and ImageOrientationPatient. Faults: DICOM_NO_POSITION, DICOM_ORIENTATION. */
export function readPlane(plane: DataSet | null, orientation: DataSet | null, name: string): Plane {
  const position = numbers(plane, 'x00200032');
  const cosines = numbers(orientation, 'x00200037');
  if (position.length !== 3 || cosines.length !== 6 || ![...position, ...cosines].every(Number.isFinite)) {
    throw fault(
      'DICOM_NO_POSITION',
      name,
      'no ImagePositionPatient or ImageOrientationPatient',
      'both: without them nobody knows where the slice lies',
      'Use the original series',
    );
  }
  const [x, y] = [cosines.slice(0, 3), cosines.slice(3)] as [number[], number[]];
  const dot = (a: number[], b: number[]) => a.reduce((sum, value, axis) => sum + value * b[axis]!, 0);
  const errors = [dot(x, x) - 1, dot(y, y) - 1, dot(x, y)];
  if (errors.some((error) => Math.abs(error) > 1e-3)) {
    throw fault(
      'DICOM_ORIENTATION',
      name,
      `direction cosines ${cosines.join(' ')}`,
      'two unit vectors at right angles',
      'Use the original series',
    );
  }
  // Cosines are written with a few decimals: back to unit length, so that spacing stays spacing.
  const unit = (v: number[]) => v.map((value) => value / Math.sqrt(dot(v, v))) as [number, number, number];
  return {
    positionLpsMm: position as [number, number, number],
    rowDirectionLps: unit(x),
    columnDirectionLps: unit(y),
  };
}

const fault = (code: string, at: string, found: string, expected: string, fix: string) =>
  new Fault(code, { at, found, expected, fix });
