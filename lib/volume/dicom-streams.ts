/**
 * Looks at one compressed frame without decoding it: is it an image of the size that the header promises, from its first
 * mark to its last? Each check gives what is wrong, or null.
 */

interface FrameSize {
  readonly rows: number;
  readonly columns: number;
}

const END = 0xd9;

const u16 = (bytes: Uint8Array, at: number) => (bytes[at]! << 8) | bytes[at + 1]!;
const u32 = (bytes: Uint8Array, at: number) => u16(bytes, at) * 65536 + u16(bytes, at + 2);

/** Fragments have an even length: one byte of padding may follow, and some writers pad more. */
function withoutPadding(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return bytes.subarray(0, end);
}

const endsWithMark = (bytes: Uint8Array) => bytes.at(-2) === 0xff && bytes.at(-1) === END;

function wrongSize(columns: number, rows: number, expected: FrameSize): string | null {
  if (columns === expected.columns && rows === expected.rows) return null;
  return `a compressed image of ${columns} x ${rows} under a header of ${expected.columns} x ${expected.rows}`;
}

/** JPEG (ITU T.81) and JPEG-LS (T.87): segments up to the frame header, and an end mark. */
export function checkJpeg(stream: Uint8Array, size: FrameSize): string | null {
  const bytes = withoutPadding(stream);
  if (u16(bytes, 0) !== 0xffd8) return 'no JPEG image';
  if (!endsWithMark(bytes)) return 'a JPEG image that breaks off';
  for (let at = 2; at + 9 < bytes.length; at += 2 + u16(bytes, at + 2)) {
    if (bytes[at] !== 0xff) return 'a damaged JPEG image';
    while (bytes[at + 1] === 0xff) at += 1;
    const mark = bytes[at + 1]!;
    // C0 to CF are frame headers, save those of tables (C4, C8, CC); F7 is that of JPEG-LS.
    const isFrame = (mark >= 0xc0 && mark <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(mark)) || mark === 0xf7;
    if (isFrame) return wrongSize(u16(bytes, at + 7), u16(bytes, at + 5), size);
  }
  return 'a JPEG image without a frame header';
}

/** JPEG 2000 codestream (ITU T.800, annex A): the size, and tile-parts that follow each other up to the end mark. */
export function checkJpeg2000(stream: Uint8Array, size: FrameSize): string | null {
  const bytes = withoutPadding(stream);
  if (u32(bytes, 0) !== 0xff4fff51) return 'no JPEG 2000 image';
  const wrong = wrongSize(u32(bytes, 8) - u32(bytes, 16), u32(bytes, 12) - u32(bytes, 20), size);
  if (wrong) return wrong;
  if (!endsWithMark(bytes)) return 'a JPEG 2000 image that breaks off';
  let at = 2;
  while (at + 12 <= bytes.length && u16(bytes, at) !== 0xff90) at += 2 + u16(bytes, at + 2);
  while (at + 12 <= bytes.length && u16(bytes, at) === 0xff90) {
    const length = u32(bytes, at + 6);
    // Zero: this tile-part is the last, and goes up to the end mark.
    at = length === 0 ? bytes.length - 2 : at + Math.max(length, 12);
  }
  return at === bytes.length - 2 ? null : 'a JPEG 2000 image whose parts do not join';
}

/** RLE (DICOM PS3.5, annex G): a plane for each byte of a pixel, each of which unpacks to the size of the image. */
export function checkRle(
  stream: Uint8Array,
  { rows, columns, bitsAllocated }: FrameSize & { bitsAllocated: number },
): string | null {
  if (stream.length < 64) return 'no RLE header';
  const header = new DataView(stream.buffer, stream.byteOffset, 64);
  const planes = header.getUint32(0, true);
  if (planes !== bitsAllocated / 8) return `${planes} RLE planes for ${bitsAllocated} bits`;
  const starts = Array.from({ length: planes }, (_, plane) => header.getUint32(4 + 4 * plane, true));
  const ends = [...starts.slice(1), stream.length];
  const whole = starts.every((start, plane) => start >= 64 && start <= ends[plane]! && ends[plane]! <= stream.length);
  if (!whole) return 'RLE planes that lie outside the stream';
  const pixels = rows * columns;
  const unpacked = starts.map((start, plane) => unpackedBytes(stream.subarray(start, ends[plane]), pixels));
  const short = unpacked.find((bytes) => bytes < pixels);
  return short === undefined ? null : `an RLE plane of ${short} bytes for ${pixels} pixels`;
}

/** What a plane unpacks to, counted up to `enough`; padding may follow. */
function unpackedBytes(plane: Uint8Array, enough: number): number {
  let unpacked = 0;
  for (let at = 0; at < plane.length && unpacked < enough; ) {
    const count = plane[at]!;
    // 0 to 127: so many bytes and one follow as they are. 129 to 255: the next byte, 257 - count times. 128: nothing.
    const run = count > 128 ? 257 - count : count < 128 ? count + 1 : 0;
    at += count > 128 ? 2 : count < 128 ? count + 2 : 1;
    if (at <= plane.length) unpacked += run;
  }
  return unpacked;
}
