import { createHash } from 'node:crypto';
import { type DicomElements, data as dcmjs, log } from 'dcmjs';
import dicomParser, { type DataSet } from 'dicom-parser';
import { Fault } from '../fault.ts';
import type { Affine, Shape3 } from './affine.ts';
import { type DicomHeader, parseDicomHeader } from './dicom-header.ts';
import { arrangeSeries } from './dicom-series.ts';
import { uidOf } from './dicom-uid.ts';

// It warns on the console, and its warnings show values: a patient's name would be among them.
log.setLevel('silent');
log.getLogger('validation.dcmjs').setLevel('silent');

export interface SeriesFile {
  /** Base name. */
  readonly name: string;
  read(): Promise<Uint8Array>;
}

/** A slice as a segmentation refers to it. */
export interface SourceSlice {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  /** ImagePositionPatient as the file writes it. */
  readonly position: readonly string[];
}

/** The series that a segmentation was made of: what of it stands in the segmentation, the person's identity included. */
export interface SegSource {
  /** Columns, rows, slices. */
  readonly shape: Shape3;
  readonly voxelToWorld: Affine;
  /** In the order of the grid. */
  readonly slices: readonly SourceSlice[];
  readonly uids: Readonly<Record<SeriesUid, string>>;
  /** Whether one of the UIDs was missing, and stands here as a hash of the files. */
  readonly derivedUids: boolean;
  /** ImageOrientationPatient and PixelSpacing as the files write them. */
  readonly orientation: readonly string[];
  readonly pixelSpacing: readonly string[];
  /** Elements of the patient and study modules and some of the image, by tag, as the first slice has them, in UTF-8. */
  readonly copied: DicomElements;
}

const UID_TAGS = { study: 'x0020000d', series: 'x0020000e', frameOfReference: 'x00200052' } as const;
type SeriesUid = keyof typeof UID_TAGS;

/** What a segmentation shares with its source (PS3.3: Patient, General Study, Frame of Reference; dates, lossy compression). */
const COPIED = [
  'PatientName',
  'PatientID',
  'IssuerOfPatientID',
  'PatientBirthDate',
  'PatientSex',
  'PatientAge',
  'PatientSize',
  'PatientWeight',
  'PatientIdentityRemoved',
  'DeidentificationMethod',
  'DeidentificationMethodCodeSequence',
  'StudyID',
  'StudyDate',
  'StudyTime',
  'StudyDescription',
  'AccessionNumber',
  'ReferringPhysicianName',
  'ContentDate',
  'ContentTime',
  'PositionReferenceIndicator',
  'LossyImageCompression',
  'LossyImageCompressionRatio',
  'LossyImageCompressionMethod',
];

/**
 * Reads the headers of one DICOM series, one file at a time. UIDs that are missing, as in anonymised data, are made of the
 * files' content: the same files, the same UIDs.
 *
 * Faults: those of `parseDicomHeader` and `arrangeSeries`, and DICOM_UIDS, DICOM_CHARACTER_SET.
 */
export async function readSegSource(files: readonly SeriesFile[]): Promise<SegSource> {
  const headers: DicomHeader[] = [];
  const parts: FileParts[] = [];
  for (const file of files) {
    const bytes = await file.read();
    headers.push(parseDicomHeader(bytes, file.name));
    parts.push(partsOf(bytes, file.name));
  }
  const { order, voxelToWorld } = arrangeSeries(headers);
  const sorted = order.map((at) => parts[at]!);
  const slices = sorted.map(({ slice }) => slice);
  checkUids(sorted);
  const { columns, rows } = headers[0]!;
  const { orientation, pixelSpacing, given } = sorted[0]!;
  const lowest = files[order[0]!]!;
  const copied = copyElements(await lowest.read(), lowest.name);
  const content = slices.map(({ sopInstanceUid }) => sopInstanceUid);
  const uid = (kind: SeriesUid): string => given[kind] || uidOf(kind, ...content);
  return {
    ...{ shape: [columns, rows, order.length], voxelToWorld, slices, orientation, pixelSpacing, copied },
    uids: { study: uid('study'), series: uid('series'), frameOfReference: uid('frameOfReference') },
    derivedUids: sorted.some(({ derived }) => derived) || Object.values(given).includes(''),
  };
}

interface FileParts extends Pick<SegSource, 'orientation' | 'pixelSpacing'> {
  readonly name: string;
  readonly slice: SourceSlice;
  /** Empty where the file has none. */
  readonly given: Readonly<Record<SeriesUid, string>>;
  readonly derived: boolean;
}

function partsOf(bytes: Uint8Array, name: string): FileParts {
  const data = dicomParser.parseDicom(bytes, { untilTag: 'x7fe00010' });
  const uid = (tag: string): string => data.string(tag) ?? '';
  const own = uid('x00080018');
  return {
    name,
    slice: {
      // An anonymised file keeps its class at least in the file's own header.
      sopClassUid: uid('x00080016') || uid('x00020002'),
      sopInstanceUid: own || uidOf('slice', createHash('sha256').update(bytes).digest('hex')),
      position: decimals(data, 'x00200032'),
    },
    given: {
      study: uid(UID_TAGS.study),
      series: uid(UID_TAGS.series),
      frameOfReference: uid(UID_TAGS.frameOfReference),
    },
    derived: own === '',
    orientation: decimals(data, 'x00200037'),
    pixelSpacing: decimals(data, 'x00280030'),
  };
}

/** Decimal strings as they stand in the file, cut to the 16 characters that they may have. */
const decimals = (data: DataSet, tag: string): string[] =>
  (data.string(tag) ?? '').split('\\').map((text) => decimalString(text.trim()));

/** A number as a DS holds it (PS3.5 6.2): at most 16 characters. */
export function decimalString(value: string | number): string {
  const text = String(value);
  if (text.length <= 16) return text;
  for (let digits = 15; ; digits -= 1) {
    const shorter = String(Number(Number(value).toPrecision(digits)));
    if (shorter.length <= 16) return shorter;
  }
}

/** A viewer finds the slices by their UIDs: these must tell them apart, and say that they belong together. UIDs are not shown. */
function checkUids(sorted: readonly FileParts[]): void {
  const first = sorted[0]!;
  const refuse = (at: string, found: string, expected: string): Fault =>
    new Fault('DICOM_UIDS', {
      ...{ at, found, expected },
      fix: 'Fetch the series again, or take the mask as NIfTI (--format nifti)',
    });
  const seen = new Map<string, string>();
  for (const { name, slice, given } of sorted) {
    const twin = seen.get(slice.sopInstanceUid);
    if (twin) throw refuse(name, `the SOPInstanceUID of ${twin}`, 'one of its own for each slice');
    seen.set(slice.sopInstanceUid, name);
    if (!slice.sopClassUid) throw refuse(name, 'no SOPClassUID', 'the class of the image');
    if (given.study !== first.given.study) throw refuse(name, `another study than in ${first.name}`, 'one study');
    if (given.frameOfReference !== first.given.frameOfReference) {
      throw refuse(name, `another frame of reference than in ${first.name}`, 'one frame of reference');
    }
  }
}

function copyElements(bytes: Uint8Array, at: string): DicomElements {
  const all = readElements(bytes, at);
  const tags = COPIED.map(tagOf).filter((tag) => tag in all);
  return Object.fromEntries(tags.map((tag) => [tag, all[tag]!]));
}

/** Eight hex digits of a keyword of PS3.6. */
export const tagOf = (keyword: string): string => dcmjs.DicomMetaDictionary.nameMap[keyword]!.tag.replace(/[(),]/g, '');

function readElements(bytes: Uint8Array, at: string): DicomElements {
  try {
    return dcmjs.DicomMessage.readFile(new Uint8Array(bytes).buffer, { untilTag: '7FE00010' }).dict;
  } catch (cause) {
    const found = cause instanceof Error && /character set/.test(cause.message);
    throw new Fault(
      found ? 'DICOM_CHARACTER_SET' : 'DICOM_FORMAT',
      {
        at,
        found: found ? 'text in a character set, or in several, that is not read' : 'an element that cannot be read',
        expected: found ? 'one of ISO 8859, UTF-8, GB 18030 or a Japanese or Korean one alone' : 'DICOM Part 10',
        fix: 'Take the mask as NIfTI (--format nifti), or convert the series to UTF-8, e.g. with dcmconv +U8',
      },
      { cause },
    );
  }
}
