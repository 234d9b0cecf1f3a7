import { setImmediate } from 'node:timers/promises';
import type { ArtifactRef } from '../contracts/artifact.ts';
import type { EncodedPatient } from '../contracts/stages.ts';
import { type BlobCache, DiskCache } from '../lib/artifacts/disk-cache.ts';
import { sha256Hex } from '../lib/artifacts/keys.ts';
import { withWorkFolder } from '../lib/runtime/work-folder.ts';
import { decodeSafetensors, u16 } from '../lib/safetensors.ts';
import { EMBEDDINGS_IN_MEMORY, type StoredEmbedding } from '../lib/training/embedding.ts';
import type { ActivityDeps } from './deps.ts';
import { EMBEDDINGS, shardsIn } from './encoded.ts';

/** Shards that are fetched at a time beside those that somebody waits for. */
const FETCHES = 2;

interface Shard {
  readonly ref: ArtifactRef;
  readonly rows: number;
  /** All of it, where there is room in memory. */
  kept: Uint16Array | null;
  /** What its rows on the disk must be, once it has been here and was verified. */
  verified: { readonly digests: readonly string[]; readonly rowBytes: number } | null;
  /** While it is fetched. */
  coming: Promise<Uint16Array> | null;
}

/** A folder of shards on this machine: the worker's cache, or one of the training's own. */
interface Disk {
  readonly cache: BlobCache;
  /** Nobody else fills it. */
  readonly isOwn: boolean;
}

/**
 * The embeddings of a training, row by row. As many shards as fit into the memory that is granted stay there; the others lie on
 * this machine's disk, verified when they come and again, row by row, when they are read. What the disk has lost or damaged
 * comes from the store again.
 */
export class TrainingEmbeddings {
  readonly #artifacts: ActivityDeps['artifacts'];
  readonly #onTrouble: ((error: unknown) => void) | undefined;
  readonly #shards: Shard[] = [];
  /** Bytes of memory that are left. */
  #free: number;
  #disk: Promise<Disk> | null = null;
  /** As long as the training's own folder is there. */
  #holding: Promise<void> | null = null;
  /** What is being written into it. */
  readonly #writing = new Set<Promise<void>>();
  #letGo = (): void => undefined;
  #isClosed = false;

  constructor({ artifacts, embeddings }: Pick<ActivityDeps, 'artifacts' | 'embeddings'>) {
    this.#artifacts = artifacts;
    this.#free = embeddings?.memoryBytes ?? EMBEDDINGS_IN_MEMORY;
    this.#onTrouble = embeddings?.onTrouble;
  }

  /** Of a patient's slices, in the order of their rows. Nothing is read before it is asked for. */
  async of({ shards }: EncodedPatient): Promise<StoredEmbedding[]> {
    const rows: StoredEmbedding[] = [];
    for await (const { embeddings: ref, from, to } of shardsIn(this.#artifacts, shards)) {
      const shard: Shard = { ref, rows: to - from, kept: null, verified: null, coming: null };
      this.#shards.push(shard);
      for (let row = 0; row < shard.rows; row++) rows.push({ read: () => this.#read(shard, row) });
    }
    return rows;
  }

  /** Begins to fetch everything, in order, while whatever is asked for comes first. */
  fetchAhead(): void {
    const shards = this.#shards.values();
    const work = async (): Promise<void> => {
      for (const shard of shards) {
        if (this.#isClosed) return;
        // Whoever reads it tries again, and hears what is wrong.
        if (!shard.kept && !shard.verified) await this.#whole(shard).catch(() => undefined);
      }
    };
    for (let i = 0; i < FETCHES; i++) void work();
  }

  /** Removes what this training has put on the disk. Nothing can be read afterwards. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#writing);
    this.#letGo();
    await this.#holding?.catch(() => undefined);
  }

  async #read(shard: Shard, row: number): Promise<Uint16Array> {
    const copy = shard.kept ? null : await this.#copyOf(shard, row);
    if (copy) return copy;
    const values = shard.kept ?? (await this.#whole(shard));
    const size = values.length / shard.rows;
    return values.subarray(row * size, (row + 1) * size);
  }

  /** From the disk; null where it is not there as it was. */
  async #copyOf({ ref, rows, verified }: Shard, row: number): Promise<Uint16Array | null> {
    if (!verified || this.#isClosed) return null;
    const { digests, rowBytes } = verified;
    // The rows are the end of the file.
    const from = ref.bytes - (rows - row) * rowBytes;
    const bytes = await (await this.#openDisk()).cache.part(ref, from, from + rowBytes);
    if (!bytes || sha256Hex(bytes) !== digests[row]) return null;
    return new Uint16Array(bytes.buffer, bytes.byteOffset, rowBytes / 2);
  }

  /** All of a shard, verified. Whoever asks meanwhile gets the same one. */
  #whole(shard: Shard): Promise<Uint16Array> {
    shard.coming ??= this.#fetch(shard).finally(() => {
      shard.coming = null;
    });
    return shard.coming;
  }

  async #fetch(shard: Shard): Promise<Uint16Array> {
    const { ref, rows } = shard;
    this.#refuseClosed();
    const isKept = this.#free >= ref.bytes;
    if (isKept) this.#free -= ref.bytes;
    try {
      const own = this.#disk && (await this.#openDisk());
      const bytes = (own?.isOwn && (await own.cache.get(ref))) || (await this.#artifacts.get(ref));
      const tensor = decodeSafetensors(bytes, ref.kind).tensors.get(EMBEDDINGS);
      if (tensor?.shape[0] !== rows) throw new TypeError(`${ref.key} holds no ${EMBEDDINGS} of ${rows} slices`);
      const values = u16(tensor);
      if (isKept) shard.kept = values;
      else await this.#putAside(shard, bytes, tensor.data);
      return values;
    } catch (error) {
      if (isKept) this.#free += ref.bytes;
      throw error;
    }
  }

  /** Sees to it that a shard's rows can be read from the disk. */
  async #putAside(shard: Shard, bytes: Uint8Array, data: Uint8Array): Promise<void> {
    const rowBytes = data.length / shard.rows;
    const digests: string[] = [];
    for (let row = 0; row < shard.rows; row++) {
      digests.push(sha256Hex(data.subarray(row * rowBytes, (row + 1) * rowBytes)));
      await setImmediate();
    }
    const { cache, isOwn } = await this.#openDisk();
    this.#refuseClosed();
    // The worker's cache has kept it already.
    if (isOwn) await this.#writes(cache.put(shard.ref, bytes));
    shard.verified = { digests, rowBytes };
  }

  async #writes(put: Promise<void>): Promise<void> {
    this.#writing.add(put);
    await put;
    this.#writing.delete(put);
  }

  /** A cache with too little room would fetch a shard for every row. */
  #openDisk(): Promise<Disk> {
    const { copies } = this.#artifacts;
    const bytes = this.#shards.reduce((sum, { ref }) => sum + ref.bytes, 0);
    this.#disk ??= copies?.hasRoom(bytes) ? Promise.resolve({ cache: copies, isOwn: false }) : this.#ownFolder();
    return this.#disk;
  }

  #ownFolder(): Promise<Disk> {
    const onTrouble = this.#onTrouble;
    return new Promise((resolve, reject) => {
      this.#holding = withWorkFolder(async (dir) => {
        const cache = new DiskCache({ dir, maxBytes: Number.POSITIVE_INFINITY, ...(onTrouble && { onTrouble }) });
        resolve({ cache, isOwn: true });
        await new Promise<void>((letGo) => {
          this.#letGo = letGo;
          if (this.#isClosed) letGo();
        });
      });
      this.#holding.catch(reject);
    });
  }

  #refuseClosed(): void {
    if (this.#isClosed) throw new TypeError('the training that these embeddings were for has ended');
  }
}

/** A training's embeddings for as long as it takes. */
export async function withTrainingEmbeddings<T>(
  deps: ConstructorParameters<typeof TrainingEmbeddings>[0],
  use: (embeddings: TrainingEmbeddings) => Promise<T>,
): Promise<T> {
  const embeddings = new TrainingEmbeddings(deps);
  try {
    return await use(embeddings);
  } finally {
    await embeddings.close();
  }
}
