import { sizeOf } from '../graph/index.ts';
import type { SafeTensor } from '../safetensors.ts';

/** A tensor whose values are computed, so that a reference at full size needs no checkpoint of its own. */
export interface FormulaTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly scale: number;
  readonly shift: number;
}

/**
 * value(name, i) = (2u - 1) * scale + shift as float32, with u = mix(i * 2654435761 + crc32(name) mod 2³²) / 2³² and
 * MurmurHash3's 32-bit finaliser as `mix`.
 */
export function formula(name: string, count: number, scale: number, shift = 0): Float32Array {
  const start = crc32(name);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    let x = (Math.imul(i, 2654435761) + start) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    values[i] = (((x ^ (x >>> 16)) >>> 0) / 2 ** 31 - 1) * scale + shift;
  }
  return values;
}

export function formulaTensors(tensors: readonly FormulaTensor[]): Map<string, SafeTensor> {
  return new Map(
    tensors.map(({ name, shape, scale, shift }) => {
      const values = formula(name, sizeOf(shape), scale, shift);
      return [name, { dtype: 'F32', shape: [...shape], data: new Uint8Array(values.buffer) }];
    }),
  );
}

/** The checksum of zip and gzip. */
function crc32(text: string): number {
  let crc = ~0;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}
