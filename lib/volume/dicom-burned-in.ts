import type { DataSet } from 'dicom-parser';
import { Fault } from '../fault.ts';

/**
 * Modalities (PS3.3 C.7.3.1.1.1) and, for what was photographed off a screen, SOP classes whose pixels often show the patient's name:
 * ultrasound, endoscopy, photographs, documents, other; secondary captures of every kind.
 */
const OFTEN_NAMED = new Set(['US', 'IVUS', 'ES', 'GM', 'XC', 'OP', 'DOC', 'OT', 'HC']);
const SECONDARY_CAPTURE = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.7(\.\d)?$/;

/** What a series says that is likely to show a name, and does not say that it shows none. */
export const MAY_SHOW_NAMES = 'images of a kind that often shows names in its pixels: look before they go anywhere';

/**
 * Whether words may stand in the pixels, as far as a header can tell: BurnedInAnnotation (0028,0301), else the kind of image. `NO` is
 * believed; no header proves it. @throws Fault DICOM_BURNED_IN where the file says that they do
 */
export function mayShowNames(data: DataSet, name: string): boolean {
  const said = data.string('x00280301')?.toUpperCase();
  if (said === 'YES') {
    const details = { found: 'words burned into its pixels, by its own account', expected: 'pixels of the body alone' };
    const fix = 'Have them removed, and BurnedInAnnotation set to NO; or leave the series out';
    throw new Fault('DICOM_BURNED_IN', { at: name, ...details, fix });
  }
  if (said === 'NO') return false;
  const modality = data.string('x00080060')?.toUpperCase() ?? '';
  return OFTEN_NAMED.has(modality) || SECONDARY_CAPTURE.test(data.string('x00080016') ?? '');
}
