import * as zlib from 'node:zlib';

let table: Uint32Array | undefined;

/** CRC-32 as zip and gzip use it (IEEE 802.3, reflected), continued from `crc`. Node's own where it has it (from 20.15). */
export const crc32: (bytes: Uint8Array, crc?: number) => number = zlib.crc32 ?? tableCrc32;

export function tableCrc32(bytes: Uint8Array, crc = 0): number {
  table ??= Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  });
  let value = ~crc;
  for (let i = 0; i < bytes.length; i++) value = (value >>> 8) ^ table[(value ^ bytes[i]!) & 0xff]!;
  return ~value >>> 0;
}
