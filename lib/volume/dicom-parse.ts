import dicomParser, { type DataSet } from 'dicom-parser';
import { Fault } from '../fault.ts';
import { isReadSyntax } from './dicom-pixels.ts';

export function looksLikeDicom(bytes: Uint8Array): boolean {
  return bytes.length >= 132 && String.fromCharCode(...bytes.subarray(128, 132)) === 'DICM';
}

/**
 * The data set up to its pixels; what does not fit into the file is refused. Faults: DICOM_FORMAT, DICOM_TRANSFER_SYNTAX.
 */
export function parseDicomFile(bytes: Uint8Array, name: string): DataSet {
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
    if (!isReadSyntax(syntax)) throw transferSyntaxFault(name, syntax);
    return data;
  } catch (error) {
    if (error instanceof Fault) throw error;
    // Without the parser's own error, which is kept with a failed run: it may quote what stands in the header.
    throw damaged(name);
  }
}

/** FrameOfReferenceUID: whose coordinates the positions are. Empty where there is none, and for a file that is not read. */
export function frameOfReference(bytes: Uint8Array): string {
  if (!looksLikeDicom(bytes)) return '';
  try {
    return parseDicomFile(bytes, '').string('x00200052') ?? '';
  } catch {
    return '';
  }
}

export const damaged = (name: string) =>
  fault('DICOM_FORMAT', name, 'a damaged or cut-off file', 'DICOM Part 10', 'Fetch or export the series again');

const fault = (code: string, at: string, found: string, expected: string, fix: string) =>
  new Fault(code, { at, found, expected, fix });

const transferSyntaxFault = (at: string, syntax: string) =>
  fault(
    'DICOM_TRANSFER_SYNTAX',
    at,
    `transfer syntax ${syntax === 'deflated' ? syntax : /^[0-9.]{1,64}$/.test(syntax) ? syntax : 'unknown'}`,
    'uncompressed, RLE, JPEG, JPEG-LS or JPEG 2000',
    'Convert the series, e.g. with gdcmconv',
  );
