/** One slice to be written as DICOM; every field may be changed or, with null, left out. */
export interface DicomSlice {
  rows?: number;
  columns?: number;
  position?: readonly number[] | null;
  orientation?: readonly number[] | null;
  spacing?: readonly number[] | null;
  seriesUid?: string;
  samples?: number;
  frames?: number;
  photometric?: string;
  rescale?: readonly [slope: string, intercept: string];
  thickness?: number | null;
  transferSyntax?: string;
  /** Stored values; default: 0, 1, 2, ... */
  pixels?: Uint16Array;
  patientName?: string;
  /** Further text elements, or other ones, e.g. `{ '00080018': ['UI', '1.2.3'] }`; the text is written in Latin-1. */
  more?: Readonly<Record<string, readonly [vr: string, value: string]>>;
}

/** An uncompressed CT slice as DICOM Part 10, explicit little-endian: enough of one for any reader. */
export function dicomFile(slice: DicomSlice = {}): Uint8Array {
  const { rows = 4, columns = 6, position = [-10, -20, 30], orientation = [1, 0, 0, 0, 1, 0] } = slice;
  const { spacing = [0.8, 0.5], thickness = 2, transferSyntax = '1.2.840.10008.1.2.1' } = slice;
  const { pixels = Uint16Array.from({ length: rows * columns }, (_, index) => index) } = slice;
  const decimals = (values: readonly number[]) => values.join('\\');
  const meta = element(0x0002, 0x0010, 'UI', transferSyntax);
  const [slope, intercept] = slice.rescale ?? ['1', '-1024'];
  const further = Object.entries(slice.more ?? {}).map(([tag, [vr, value]]) =>
    element(Number.parseInt(tag.slice(0, 4), 16), Number.parseInt(tag.slice(4), 16), vr, Buffer.from(value, 'latin1')),
  );
  const body = [
    element(0x0008, 0x0016, 'UI', '1.2.840.10008.5.1.4.1.1.2'),
    element(0x0008, 0x0060, 'CS', 'CT'),
    element(0x0010, 0x0010, 'PN', slice.patientName ?? 'Phantom'),
    thickness === null ? [] : element(0x0018, 0x0050, 'DS', String(thickness)),
    slice.seriesUid === undefined ? [] : element(0x0020, 0x000e, 'UI', slice.seriesUid),
    position === null ? [] : element(0x0020, 0x0032, 'DS', decimals(position)),
    orientation === null ? [] : element(0x0020, 0x0037, 'DS', decimals(orientation)),
    element(0x0028, 0x0002, 'US', uint16(slice.samples ?? 1)),
    element(0x0028, 0x0004, 'CS', slice.photometric ?? 'MONOCHROME2'),
    slice.frames === undefined ? [] : element(0x0028, 0x0008, 'IS', String(slice.frames)),
    element(0x0028, 0x0010, 'US', uint16(rows)),
    element(0x0028, 0x0011, 'US', uint16(columns)),
    spacing === null ? [] : element(0x0028, 0x0030, 'DS', decimals(spacing)),
    element(0x0028, 0x0100, 'US', uint16(16)),
    element(0x0028, 0x0101, 'US', uint16(12)),
    element(0x0028, 0x0102, 'US', uint16(11)),
    element(0x0028, 0x0103, 'US', uint16(0)),
    element(0x0028, 0x1052, 'DS', intercept),
    element(0x0028, 0x1053, 'DS', slope),
    element(0x7fe0, 0x0010, 'OW', new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength)),
    ...further,
  ];
  const byTag = new Map(body.map((parts) => [tagOf(parts), parts]));
  const sorted = [...byTag].sort(([one], [other]) => one - other).flatMap(([, parts]) => parts);
  const metaLength = element(0x0002, 0x0000, 'UL', uint32(Buffer.concat(meta).length));
  return new Uint8Array(Buffer.concat([new Uint8Array(128), Buffer.from('DICM'), ...metaLength, ...meta, ...sorted]));
}

/** A data element, explicit little-endian; values are padded to an even length. */
function element(group: number, number: number, vr: string, value: string | Uint8Array): Uint8Array[] {
  const raw = typeof value === 'string' ? Buffer.from(value) : value;
  const padding = vr === 'UI' ? 0 : 0x20;
  const padded = raw.length % 2 === 0 ? raw : Buffer.concat([raw, Uint8Array.of(padding)]);
  const length = vr === 'OW' ? Buffer.concat([uint16(0), uint32(padded.length)]) : uint16(padded.length);
  return [uint16(group), uint16(number), Buffer.from(vr), length, padded];
}

/** A number that orders elements as a file must hold them; 0 for one that is left out. */
const tagOf = ([group, number]: readonly Uint8Array[]): number =>
  group && number
    ? 65536 * new DataView(group.buffer).getUint16(0, true) + new DataView(number.buffer).getUint16(0, true)
    : 0;

const uint16 = (value: number) => new Uint8Array(Uint16Array.of(value).buffer);
const uint32 = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);
