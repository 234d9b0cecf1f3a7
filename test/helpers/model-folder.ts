import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ObjectStore } from '../../lib/artifacts/store.ts';
import { type DType, decodeSafetensors, encodeSafetensors, f32, type SafeTensor } from '../../lib/safetensors.ts';

const TINY = new URL('../fixtures/sam-tiny/', import.meta.url);

/** Files of a model in Hugging Face layout, by name. */
export type ModelFiles = Record<string, Uint8Array>;

export const tinyModelFiles = (): ModelFiles => ({
  'config.json': readFileSync(new URL('config.json', TINY)),
  'model.safetensors': readFileSync(new URL('model.safetensors', TINY)),
});

export const tensorsOf = (files: ModelFiles): Map<string, SafeTensor> =>
  decodeSafetensors(files['model.safetensors']!).tensors;

export const withWeights = (files: ModelFiles, tensors: Iterable<readonly [string, SafeTensor]>): ModelFiles => ({
  ...files,
  'model.safetensors': encodeSafetensors(tensors, { format: 'pt' }),
});

/** The weights in so many files, tensors dealt in turn, with the index that Hugging Face writes beside them. */
export function sharded({ 'model.safetensors': weights, ...files }: ModelFiles, count: number): ModelFiles {
  const tensors = [...decodeSafetensors(weights!).tensors];
  const nameOf = (shard: number): string => `model-0000${shard + 1}-of-0000${count}.safetensors`;
  const map = Object.fromEntries(tensors.map(([name], i) => [name, nameOf(i % count)]));
  const shards = Array.from({ length: count }, (_, shard) => {
    const own = tensors.filter((__, i) => i % count === shard);
    return [nameOf(shard), encodeSafetensors(own, { format: 'pt' })] as const;
  });
  const index = JSON.stringify({ metadata: { total_size: weights!.length }, weight_map: map });
  return { ...files, ...Object.fromEntries(shards), 'model.safetensors.index.json': Buffer.from(index) };
}

/** The upper half of float32: what a bfloat16 file holds of values that need no more. */
export function asBfloat16({ shape, ...tensor }: SafeTensor): SafeTensor {
  const bits = new Uint32Array(f32({ shape, ...tensor }).slice().buffer);
  return raw(
    'BF16',
    shape,
    Uint16Array.from(bits, (value) => value >>> 16),
  );
}

/** Float16, cut off: exact for the values of a bfloat16 with an exponent of -14 or more; smaller ones become zero. */
export function asFloat16({ shape, ...tensor }: SafeTensor): SafeTensor {
  const bits = new Uint32Array(f32({ shape, ...tensor }).slice().buffer);
  const half = (value: number): number => {
    const exponent = ((value >>> 23) & 0xff) - 112;
    return ((value >>> 16) & 0x8000) | (exponent <= 0 ? 0 : (exponent << 10) | ((value >>> 13) & 0x3ff));
  };
  return raw('F16', shape, Uint16Array.from(bits, half));
}

const raw = (dtype: DType, shape: number[], bits: Uint16Array): SafeTensor => ({
  ...{ dtype, shape },
  data: new Uint8Array(bits.buffer),
});

export async function writeFolder(folder: string, files: ModelFiles): Promise<string> {
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), bytes);
  }
  return folder;
}

export async function putFolder(store: ObjectStore, prefix: string, files: ModelFiles): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) await store.put(`${prefix}/${name}`, bytes);
}
