/** A mask of 0 and 1, a bit a pixel: those of a large set stay in memory for hours. */
export interface PackedMask {
  /** The first pixel is the lowest bit of the first byte. */
  readonly bits: Uint8Array;
  /** Of the mask, in pixels. */
  readonly length: number;
}

export function packMask(mask: Uint8Array): PackedMask {
  const bits = new Uint8Array(Math.ceil(mask.length / 8));
  for (let at = 0; at < mask.length; at++) {
    if (mask[at] !== 0) bits[at >> 3]! |= 1 << (at & 7);
  }
  return { bits, length: mask.length };
}

/** A mask that may be packed, as it is. */
export function unpackMask(mask: PackedMask | Uint8Array): Uint8Array {
  if (mask instanceof Uint8Array) return mask;
  const { bits, length } = mask;
  const pixels = new Uint8Array(length);
  for (let at = 0; at < length; at++) pixels[at] = (bits[at >> 3]! >> (at & 7)) & 1;
  return pixels;
}
