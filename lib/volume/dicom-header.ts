import dicomParser, { type DataSet, type Element } from 'dicom-parser';
import { Fault } from '../fault.ts';
import type { Vector3 } from './affine.ts';

/**
 * What samflow needs to know of one DICOM file before it lets the decoder loose: the decoder (GDCM) fills cut-off pixels
 * with zeros, stacks mixed series and takes a missing position for the origin, all without a word. Only the tags below are
 * read; nothing that names a person is looked at.
 */
export interface DicomHeader {
  /** Base name. */
  readonly name: string;
  /** Empty where the UIDs were removed, as in anonymised data. */
  readonly seriesUid: string;
  readonly rows: number;
  readonly columns: number;
  /** Distance between neighbouring rows and between neighbouring columns. */
  readonly pixelSpacingMm: readonly [row: number, column: number];
  /** Centre of the first pixel, LPS. */
  readonly positionLpsMm: Vector3;
  /** Direction in which the column index grows along a row, and the row index along a column; unit vectors, LPS. */
  readonly rowDirectionLps: Vector3;
  readonly columnDirectionLps: Vector3;
  /** For a series of one slice, where positions say nothing about its thickness. */
  readonly sliceThicknessMm: number | null;
  readonly rescale: readonly [slope: number, intercept: number];
}

/** Transfer syntaxes that the decoder reads. Deflated files and video are not among them. */
const TRANSFER_SYNTAXES = new Set([
  '1.2.840.10008.1.2', // implicit little-endian
  '1.2.840.10008.1.2.1', // explicit little-endian
  '1.2.840.10008.1.2.2', // explicit big-endian
  '1.2.840.10008.1.2.5', // RLE
  ...['50', '51', '57', '70'].map((jpeg) => `1.2.840.10008.1.2.4.${jpeg}`),
  ...['80', '81'].map((jpegLs) => `1.2.840.10008.1.2.4.${jpegLs}`),
  ...['90', '91'].map((jpeg2000) => `1.2.840.10008.1.2.4.${jpeg2000}`),
]);

export function looksLikeDicom(bytes: Uint8Array): boolean {
  return bytes.length >= 132 && String.fromCharCode(...bytes.subarray(128, 132)) === 'DICM';
}

/**
 * Faults: DICOM_FORMAT, DICOM_TRANSFER_SYNTAX, DICOM_NO_PIXELS, DICOM_COLOUR, DICOM_MULTIFRAME, DICOM_PHOTOMETRIC,
 * DICOM_PIXELS_TRUNCATED, DICOM_NO_POSITION, DICOM_ORIENTATION, DICOM_NO_SPACING, DICOM_RESCALE.
 */
export function parseDicomHeader(bytes: Uint8Array, name: string): DicomHeader {
  const data = parse(bytes, name);
  const rows = data.uint16('x00280010') ?? 0;
  const columns = data.uint16('x00280011') ?? 0;
  if (rows < 1 || columns < 1 || !data.elements.x7fe00010) {
    throw fault('DICOM_NO_PIXELS', name, 'a file without an image', 'one slice', 'Leave reports and other objects out');
  }
  checkKind(data, name);
  checkPixelBytes(data, rows, columns, bytes.length, name);
  return {
    name,
    seriesUid: data.string('x0020000e') ?? '',
    rows,
    columns,
    pixelSpacingMm: readSpacing(data, name),
    ...readPlane(data, name),
    sliceThicknessMm: positive(numbers(data, 'x00180088')[0]) ?? positive(numbers(data, 'x00180050')[0]),
    rescale: readRescale(data, name),
  };
}

function parse(bytes: Uint8Array, name: string): DataSet {
  if (!looksLikeDicom(bytes)) {
    throw fault('DICOM_FORMAT', name, 'a file without the DICOM mark', 'DICOM Part 10', 'Leave other files out');
  }
  // Refuses deflated files before a byte of them is inflated.
  const inflater = () => {
    throw transferSyntaxFault(name, 'deflated');
  };
  try {
    const data = dicomParser.parseDicom(bytes, { untilTag: 'x7fe00010', inflater });
    const syntax = data.string('x00020010') ?? '';
    if (!TRANSFER_SYNTAXES.has(syntax)) throw transferSyntaxFault(name, syntax);
    return data;
  } catch (error) {
    if (error instanceof Fault) throw error;
    // The parser throws strings and plain objects as well as errors.
    const cause =
      error instanceof Error ? error : new Error(String((error as { exception?: unknown }).exception ?? error));
    throw new Fault(
      'DICOM_FORMAT',
      {
        at: name,
        found: 'a damaged or cut-off file',
        expected: 'DICOM Part 10',
        fix: 'Fetch or export the series again',
      },
      { cause },
    );
  }
}

function checkKind(data: DataSet, name: string): void {
  if ((data.uint16('x00280002') ?? 1) !== 1) {
    throw fault('DICOM_COLOUR', name, 'a colour image', 'one value per pixel', 'Use the original series');
  }
  const frames = data.intString('x00280008') ?? 1;
  if (frames !== 1) {
    throw fault(
      'DICOM_MULTIFRAME',
      name,
      `${frames} frames in one file`,
      'one slice per file',
      'Convert it to NIfTI, e.g. with dcm2niix',
    );
  }
  const photometric = data.string('x00280004') ?? 'MONOCHROME2';
  if (photometric !== 'MONOCHROME2') {
    throw fault('DICOM_PHOTOMETRIC', name, photometric, 'MONOCHROME2', 'Use the original series');
  }
}

/** Uncompressed pixels must all be there; compressed ones must at least end where their marks say, before the file does. */
function checkPixelBytes(data: DataSet, rows: number, columns: number, fileBytes: number, name: string): void {
  const element = data.elements.x7fe00010!;
  const refuse = (found: string, expected: string) =>
    fault('DICOM_PIXELS_TRUNCATED', name, found, expected, 'Fetch or export the series again');
  if (element.hadUndefinedLength) {
    if (compressedBytes(data, element) === 0) throw refuse('compressed pixels that break off', 'all of them');
    return;
  }
  const expected = rows * columns * Math.ceil((data.uint16('x00280100') ?? 16) / 8);
  const found = Math.min(element.length, fileBytes - element.dataOffset);
  if (found < expected) throw refuse(`${found} bytes of pixels`, `${expected} for ${columns} x ${rows}`);
}

/** Bytes in the fragments of compressed pixels; 0 where the fragments do not end as they should. */
function compressedBytes({ byteArray, byteArrayParser }: DataSet, element: Element): number {
  const warnings: string[] = [];
  try {
    const stream = new dicomParser.ByteStream(byteArrayParser, byteArray, element.dataOffset);
    dicomParser.findEndOfEncapsulatedElement(stream, element, warnings);
  } catch {
    return 0;
  }
  return warnings.length === 0 ? element.fragments!.reduce((sum, { length }) => sum + length, 0) : 0;
}

function readSpacing(data: DataSet, name: string): [number, number] {
  const [row, column] = numbers(data, 'x00280030').map(positive);
  if (row && column) return [row, column];
  throw fault('DICOM_NO_SPACING', name, 'no valid PixelSpacing', 'two sizes above zero', 'Use the original series');
}

function readPlane(data: DataSet, name: string) {
  const position = numbers(data, 'x00200032');
  const cosines = numbers(data, 'x00200037');
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

function readRescale(data: DataSet, name: string): [number, number] {
  const slope = numbers(data, 'x00281053')[0] ?? 1;
  const intercept = numbers(data, 'x00281052')[0] ?? 0;
  if (Number.isFinite(slope) && slope !== 0 && Number.isFinite(intercept)) return [slope, intercept];
  throw fault(
    'DICOM_RESCALE',
    name,
    `slope ${slope}, intercept ${intercept}`,
    'finite numbers',
    'Use the original series',
  );
}

/** The numbers of a decimal-string tag; empty where it is absent. */
function numbers(data: DataSet, tag: string): number[] {
  const text = data.string(tag);
  return text ? text.split('\\').map((part) => (part.trim() === '' ? Number.NaN : Number(part))) : [];
}

const positive = (value: number | undefined) =>
  value !== undefined && value > 0 && Number.isFinite(value) ? value : null;

const fault = (code: string, at: string, found: string, expected: string, fix: string) =>
  new Fault(code, { at, found, expected, fix });

const transferSyntaxFault = (at: string, syntax: string) =>
  fault(
    'DICOM_TRANSFER_SYNTAX',
    at,
    `transfer syntax ${syntax || 'unknown'}`,
    'uncompressed, RLE, JPEG, JPEG-LS or JPEG 2000',
    'Convert the series, e.g. with gdcmconv',
  );
