import { z } from 'zod';
import { readBytes } from '../artifacts/parts.ts';
import type { ByteSource } from '../artifacts/store.ts';
import { Fault } from '../fault.ts';
import { type DType, layOutSafetensors, readSafetensorsHeader, type TensorPlace } from '../safetensors.ts';
import { missingFile, readJson } from './files.ts';
import type { ModelFile, Place } from './place.ts';

/** Weights of a folder, as one safetensors file, whether they lie in one or in several. */
export interface Weights {
  readonly tensors: ReadonlyMap<string, { readonly dtype: DType; readonly shape: readonly number[] }>;
  readonly source: ByteSource;
  /** SHA-256 (hex) of `source`, where it was verified. */
  readonly sha256?: string | undefined;
}

const WHOLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
/** A shard lies beside its index: no path leads out of the folder. */
const Index = z.object({ weight_map: z.record(z.string(), z.string().regex(/^[\w-][\w.-]*\.safetensors$/)) });
type WeightMap = z.infer<typeof Index>['weight_map'];

/** The files that hold the weights; one, or an index and its shards. */
export async function weightFiles(place: Place): Promise<string[]> {
  if (await place.state(WHOLE)) return [WHOLE];
  return [INDEX, ...shardsOf(await readIndex(place))];
}

/**
 * Reads the headers, and nothing else yet. One file is taken as it is; shards are joined end to end into the file that
 * they were cut from, in the layout that we write.
 * @throws Fault MODEL_FILE_MISSING, MODEL_INDEX, SAFETENSORS_…
 */
export async function openWeights(place: Place): Promise<Weights> {
  const whole = await place.open(WHOLE);
  if (whole) {
    const { tensors } = await readHeader(whole, WHOLE);
    return { tensors, source: whole, sha256: whole.sha256 };
  }
  return joinShards(await openShards(place, await readIndex(place)));
}

const readHeader = (file: ModelFile, name: string) =>
  readSafetensorsHeader((from, to) => readBytes(file, from, to), file.bytes, name);

async function readIndex(place: Place): Promise<WeightMap> {
  const json = await readJson(place, INDEX);
  if (json === null) throw await missingFile(place, WHOLE);
  const parsed = Index.safeParse(json);
  if (parsed.success) return parsed.data.weight_map;
  throw indexFault('no map from tensors to .safetensors files', 'a `weight_map` as Hugging Face writes it');
}

const shardsOf = (map: WeightMap): string[] => [...new Set(Object.values(map))].sort();

interface ShardTensor extends TensorPlace {
  readonly shard: string;
  readonly file: ModelFile;
}

async function openShards(place: Place, map: WeightMap): Promise<Map<string, ShardTensor>> {
  const found = new Map<string, ShardTensor>();
  for (const shard of shardsOf(map)) {
    const file = await place.open(shard);
    if (!file) throw await missingFile(place, shard);
    const { tensors } = await readHeader(file, shard);
    for (const [name, tensor] of tensors) {
      const twin = found.get(name);
      if (twin) throw indexFault(`tensor ${name} in ${twin.shard} and in ${shard}`, 'each tensor in one shard');
      found.set(name, { ...tensor, shard, file });
    }
  }
  for (const name of new Set([...Object.keys(map), ...found.keys()])) {
    const [said, lies] = [map[name], found.get(name)?.shard];
    if (said === lies) continue;
    const where = (shard: string | undefined): string => (shard === undefined ? 'in no shard' : `in ${shard}`);
    throw indexFault(`tensor ${name} ${where(lies)}`, `it ${where(said)}, as the index says`);
  }
  return found;
}

function joinShards(tensors: ReadonlyMap<string, ShardTensor>): Weights {
  const layout = layOutSafetensors(tensors, { format: 'pt' });
  const { header } = layout;
  const pieces: Piece[] = [
    {
      ...{ at: 0, bytes: header.length },
      read: async (target, from) => target.set(header.subarray(from, from + target.length)),
    },
    ...layout.order.map(({ name, from: at, bytes }): Piece => {
      const { file, from: start } = tensors.get(name)!;
      return { at, bytes, read: (target, from) => file.read(target, start + from) };
    }),
  ];
  return { tensors, source: { bytes: layout.bytes, read: (target, from) => readAcross(pieces, target, from) } };
}

/** A stretch of a file: bytes [at, at + bytes) of it are bytes [0, bytes) of `read`. */
interface Piece extends ByteSource {
  readonly at: number;
}

async function readAcross(pieces: readonly Piece[], target: Uint8Array, from: number): Promise<void> {
  const to = from + target.length;
  for (const { at, bytes, read } of pieces) {
    const [start, end] = [Math.max(from, at), Math.min(to, at + bytes)];
    if (start < end) await read(target.subarray(start - from, end - from), start - at);
  }
}

function indexFault(found: string, expected: string): Fault {
  return new Fault('MODEL_INDEX', { at: INDEX, found, expected, fix: 'Get the index and all its shards again' });
}
