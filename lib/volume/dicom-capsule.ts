import type { FramePixels } from './dicom-pixels.ts';

/**
 * A compressed frame in a DICOM file of its own that holds nothing else: the decoder never sees the header that the frame
 * came with. What is damaged there cannot mislead it or make it take memory, and nothing of the patient reaches it.
 */
export function encapsulate(pixels: FramePixels): Uint8Array {
  const { rows, columns, bitsAllocated, bitsStored, signed, transferSyntax, bytes } = pixels;
  const meta = element(0x0002, 0x0010, 'UI', text(transferSyntax));
  const even = bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Uint8Array.of(0)]);
  return Buffer.concat([
    new Uint8Array(128),
    text('DICM'),
    element(0x0002, 0x0000, 'UL', uint32(meta.length)),
    meta,
    element(0x0008, 0x0016, 'UI', text(CT_IMAGE)),
    element(0x0028, 0x0002, 'US', uint16(1)),
    element(0x0028, 0x0004, 'CS', text('MONOCHROME2')),
    element(0x0028, 0x0010, 'US', uint16(rows)),
    element(0x0028, 0x0011, 'US', uint16(columns)),
    element(0x0028, 0x0100, 'US', uint16(bitsAllocated)),
    element(0x0028, 0x0101, 'US', uint16(bitsStored)),
    element(0x0028, 0x0102, 'US', uint16(bitsStored - 1)),
    element(0x0028, 0x0103, 'US', uint16(signed ? 1 : 0)),
    // Pixel data of undefined length: an item of no offsets, the frame, the end of the sequence.
    ...[uint16(0x7fe0), uint16(0x0010), text('OB'), uint16(0), uint32(0xffffffff)],
    ...[item(new Uint8Array(0)), item(even), uint16(0xfffe), uint16(0xe0dd), uint32(0)],
  ]);
}

const CT_IMAGE = '1.2.840.10008.5.1.4.1.1.2';

const text = (value: string) => Buffer.from(value, 'latin1');

const item = (content: Uint8Array) => Buffer.concat([uint16(0xfffe), uint16(0xe000), uint32(content.length), content]);

/** Explicit little-endian, padded to an even length: UIDs by zero, text by a blank. */
function element(group: number, number: number, vr: 'UI' | 'UL' | 'US' | 'CS', value: Uint8Array): Buffer {
  const padding = value.length % 2 === 0 ? [] : [vr === 'UI' ? 0 : 0x20];
  const length = value.length + padding.length;
  return Buffer.concat([uint16(group), uint16(number), text(vr), uint16(length), value, Uint8Array.from(padding)]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
