import type { DataSet } from 'dicom-parser';
import { Fault } from '../fault.ts';
import { items } from './dicom-frames.ts';

/** SegmentationType. */
export type SegKind = 'BINARY' | 'FRACTIONAL' | 'LABELMAP';

export interface Segment {
  /** SegmentNumber, from 1: the label of its voxels. */
  readonly number: number;
  /** SegmentLabel, for people; empty where it is in a character set that is not read. */
  readonly label: string;
}

/** The segments that a file describes, by number; the background of a label map is none. Fault SEG_SEGMENTS. */
export function readSegments(data: DataSet, kind: SegKind, name: string): Segment[] {
  const refuse = (found: string) =>
    new Fault('SEG_SEGMENTS', {
      ...{ at: name, found, expected: 'segments with numbers of their own, from 1' },
      fix: 'Export the segmentation again, or as NIfTI',
    });
  const background = kind === 'LABELMAP' ? backgroundOf(data) : null;
  const segments = items(data, 'x00620002')
    .map((item) => ({ number: item.uint16('x00620004') ?? 0, label: textOf(item, 'x00620005', data) }))
    .filter(({ number }) => number !== background);
  if (segments.length === 0) throw refuse('no segments');
  const numbers = segments.map(({ number }) => number);
  // Zero is what no segment covers; a label map with another background may give it away.
  if (numbers.includes(0)) throw refuse('a segment without a number');
  if (new Set(numbers).size < numbers.length) throw refuse('two segments of one number');
  return segments.sort((a, b) => a.number - b.number);
}

/** The value of pixels of no segment in a label map: PixelPaddingValue. */
export const backgroundOf = (data: DataSet): number => data.uint16('x00280120') ?? 0;

/** Character sets in which labels are read (PS3.3 C.12.1.1.2). */
const ENCODINGS: Readonly<Record<string, string>> = {
  '': 'latin1',
  'ISO_IR 6': 'latin1',
  'ISO_IR 100': 'latin1',
  'ISO_IR 192': 'utf-8',
  GB18030: 'gb18030',
};

function textOf(item: DataSet, tag: string, file: DataSet): string {
  const element = item.elements[tag];
  const encoding = ENCODINGS[file.string('x00080005') ?? ''];
  if (!element || !encoding) return '';
  const bytes = item.byteArray.subarray(element.dataOffset, element.dataOffset + element.length);
  // Signs that steer a terminal are no part of a name.
  return new TextDecoder(encoding)
    .decode(bytes)
    .replace(/\p{Cc}/gu, '')
    .trim();
}
