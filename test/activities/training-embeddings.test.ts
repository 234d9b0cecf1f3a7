import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { EMBEDDINGS } from '../../activities/encoded.ts';
import { TrainingEmbeddings } from '../../activities/training-embeddings.ts';
import { WorkerEnvironment } from '../../contracts/environment.ts';
import type { EncodedPatient } from '../../contracts/stages.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { DiskCache } from '../../lib/artifacts/disk-cache.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import { encodeSafetensors } from '../../lib/safetensors.ts';
import { EMBEDDINGS_IN_MEMORY, type StoredEmbedding } from '../../lib/training/embedding.ts';
import { Batches } from '../../lib/training/samples.ts';
import { TINY_SETTINGS, tinyModel, tinySlices } from '../helpers/tiny-model.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
/** Bytes of arrays that somebody still holds. */
function heldBytes(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

const SHAPE = [32, 8, 8] as const;
const ROW_BYTES = 2 * 32 * 8 * 8;
const ROWS_OF_A_SHARD = 20;

describe('the embeddings of a training', () => {
  let store: MemoryStore;
  let opened: TrainingEmbeddings[];
  beforeEach(() => {
    store = new MemoryStore();
    opened = [];
  });
  afterEach(async () => {
    for (const embeddings of opened) await embeddings.close();
    assert.deepEqual(await ownFolders(), []);
  });

  const ownFolders = async () =>
    (await readdir(tmpdir())).filter((name) => name.startsWith('samflow-work-') && name.includes(`-${process.pid}-`));
  /** The files that hold rows at present. */
  async function files(): Promise<string[]> {
    const folders = (await ownFolders()).map((name) => join(tmpdir(), name));
    return (await Promise.all(folders.map(async (at) => (await readdir(at)).map((name) => join(at, name))))).flat();
  }

  /** So many rows of a patient's embeddings, in shards: row r is `rowOf(r)`. */
  async function patientOf(count: number, rowOf: (row: number) => Uint16Array): Promise<EncodedPatient> {
    const artifacts = new ArtifactStore(store);
    const shards = [];
    for (let from = 0; from < count; from += ROWS_OF_A_SHARD) {
      const to = Math.min(count, from + ROWS_OF_A_SHARD);
      const data = new Uint16Array(((to - from) * ROW_BYTES) / 2);
      for (let row = from; row < to; row++) data.set(rowOf(row), ((row - from) * ROW_BYTES) / 2);
      const bytes = encodeSafetensors([[EMBEDDINGS, { dtype: 'F16', shape: [to - from, ...SHAPE], data }]]);
      shards.push({ embeddings: await artifacts.put('embeddings', bytes), from, to });
    }
    return { patient: 'p-000000000001', slices: await artifacts.put('slices', new Uint8Array(1)), shards };
  }
  const numbered = (row: number) => new Uint16Array(ROW_BYTES / 2).fill(row);
  function openWith(memoryBytes: number, artifacts = new ArtifactStore(store)): TrainingEmbeddings {
    const embeddings = new TrainingEmbeddings({ artifacts, embeddings: { memoryBytes } });
    opened.push(embeddings);
    return embeddings;
  }
  const numbersOf = async (rows: readonly StoredEmbedding[]) => {
    const numbers: number[] = [];
    for (const row of rows) {
      const values = await row.read();
      assert.ok(values.every((value) => value === values[0]) && values.length === ROW_BYTES / 2);
      numbers.push(values[0]!);
    }
    return numbers;
  };

  it('of thousands of slices take the memory that is granted: the others are read from a disk, and fetched once', async () => {
    const count = 2000;
    const rows = await openWith(10 * ROWS_OF_A_SHARD * ROW_BYTES).of(await patientOf(count, numbered));
    const fetched = store.gets;
    const before = heldBytes();
    const order = Array.from({ length: count }, (_, i) => (i * 1231) % count);
    assert.deepEqual(await numbersOf(order.map((row) => rows[row]!)), order);
    assert.deepEqual(
      await numbersOf(rows),
      Array.from({ length: count }, (_, row) => row),
    );
    // 9 shards and not 10: their headers are in memory too.
    assert.equal((await files()).length, count / ROWS_OF_A_SHARD - 9);
    assert.equal(store.gets - fetched, count / ROWS_OF_A_SHARD);
    const held = heldBytes() - before;
    assert.ok(held < 12 * ROWS_OF_A_SHARD * ROW_BYTES, `${held} bytes stayed in memory`);
  });

  it('give a training the very feeds of embeddings in memory', async () => {
    const slices = tinySlices(50, 0, 2);
    const rows = await openWith(0).of(await patientOf(50, (row) => slices[row]!.image as Uint16Array));
    const stored = slices.map((slice, row) => ({ ...slice, image: rows[row]! }));
    const [inMemory, fromDisk] = [slices, stored].map((all) => new Batches(all, TINY_SETTINGS, tinyModel()));
    for (let at = 0; at < inMemory!.perEpoch; at++) {
      assert.deepEqual(
        await fromDisk!.training(3, at, 0, TINY_SETTINGS),
        await inMemory!.training(3, at, 0, TINY_SETTINGS),
      );
    }
    assert.deepEqual(await fromDisk!.validation(1), await inMemory!.validation(1));
  });

  it('whose files are deleted or cut short in mid training come from the store again', async () => {
    const rows = await openWith(0).of(await patientOf(60, numbered));
    const all = await numbersOf(rows);
    const [first, second] = await files();
    await rm(first!);
    await truncate(second!, 1000);
    const fetched = store.gets;
    assert.deepEqual(await numbersOf(rows), all);
    assert.equal(store.gets - fetched, 2);
    await rm(join(first!, '..'), { recursive: true });
    assert.deepEqual(await numbersOf(rows), all);
  });

  for (const [where, cacheBytes] of [
    ['a folder of the training’s own', 0],
    ['the worker’s cache', 2 ** 20],
  ] as const) {
    it(`are read again where a file in ${where} is damaged: it is noticed by the row`, async (t) => {
      const dir = await mkdtemp(join(tmpdir(), 'samflow-copies-'));
      t.after(() => rm(dir, { recursive: true }));
      const cache = cacheBytes ? new DiskCache({ dir, maxBytes: cacheBytes }) : null;
      const rows = await openWith(0, new ArtifactStore(store, cache)).of(await patientOf(20, numbered));
      const all = await numbersOf(rows);
      const [path] = cacheBytes ? (await readdir(dir)).map((name) => join(dir, name)) : await files();
      assert.equal((await ownFolders()).length, cacheBytes ? 0 : 1);
      const file = await open(path!, 'r+');
      const { size } = await file.stat();
      await file.write(Uint8Array.of(0xff), 0, 1, size - 1);
      await file.close();
      const fetched = store.gets;
      assert.deepEqual(await numbersOf(rows), all);
      assert.equal(store.gets - fetched, 1);
    });
  }

  it('do not go into a cache that has no room for all of them', async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'samflow-copies-'));
    t.after(() => rm(dir, { recursive: true }));
    const cache = new DiskCache({ dir, maxBytes: 3 * ROWS_OF_A_SHARD * ROW_BYTES });
    const rows = await openWith(0, new ArtifactStore(store, cache)).of(await patientOf(100, numbered));
    await numbersOf(rows);
    const fetched = store.gets;
    await numbersOf(rows);
    assert.equal(store.gets - fetched, 0);
    assert.equal((await files()).length, 5);
  });

  it('are fetched ahead, each shard once, however many wait for it', async () => {
    const embeddings = openWith(2 * ROWS_OF_A_SHARD * ROW_BYTES);
    const rows = await embeddings.of(await patientOf(200, numbered));
    const fetched = store.gets;
    embeddings.fetchAhead();
    const last = rows.slice(-3).map((row) => row.read());
    assert.deepEqual(
      (await Promise.all(last)).map(([first]) => first),
      [197, 198, 199],
    );
    for (let tries = 0; store.gets - fetched < 10 && tries < 200; tries++) await setTimeout(10);
    assert.deepEqual(
      await numbersOf(rows),
      Array.from({ length: 200 }, (_, row) => row),
    );
    assert.equal(store.gets - fetched, 10);
  });

  it('leave nothing behind when the training ends while they are fetched, and give nothing afterwards', async () => {
    const embeddings = openWith(0);
    const rows = await embeddings.of(await patientOf(200, numbered));
    embeddings.fetchAhead();
    await rows[0]!.read();
    const [file] = await files();
    const reading = rows[150]!.read().catch((error: unknown) => error);
    await embeddings.close();
    await reading;
    await setTimeout(50);
    assert.ok(!existsSync(file!));
    assert.deepEqual(await ownFolders(), []);
    await assert.rejects(rows[0]!.read(), /has ended/);
  });

  it('have a gibibyte where the worker says nothing, the same in a plan and in a worker', () => {
    assert.equal(EMBEDDINGS_IN_MEMORY, 2 ** 30);
    assert.equal(WorkerEnvironment.parse({}).embeddingsMemory, EMBEDDINGS_IN_MEMORY);
  });
});
