import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { ArtifactRef } from '../../../contracts/artifact.ts';
import { ArtifactStore } from '../../../lib/artifacts/artifact-store.ts';
import { sha256Hex } from '../../../lib/artifacts/keys.ts';
import { MemoryStore } from '../../../lib/artifacts/memory-store.ts';
import {
  type ByteRange,
  type ObjectStore,
  PART_BYTES,
  PreconditionFailed,
  type PutOptions,
} from '../../../lib/artifacts/store.ts';
import { assertRejectsWithFault } from '../../helpers/faults.ts';
import { countedSource } from './object-store.ts';

const bytes = (text: string) => new Uint8Array(Buffer.from(text));

/** A store whose acknowledgements get lost: it writes, and then says that the key exists (as a repeated request would). */
class LostAcknowledgements extends MemoryStore {
  override async put(key: string, content: Uint8Array, options: PutOptions = {}): Promise<{ etag: string }> {
    await super.put(key, content, options);
    throw new PreconditionFailed(key);
  }
}

describe('artifact store', () => {
  it('stores bytes under their SHA-256 and refers to them by a valid reference', async () => {
    const artifacts = new ArtifactStore(new MemoryStore());
    const ref = await artifacts.put('volume', bytes('voxels'));
    const sha256 = sha256Hex(bytes('voxels'));
    assert.deepEqual(ref, { kind: 'volume', key: `cas/sha256/${sha256}`, sha256, bytes: 6 });
    assert.deepEqual(ArtifactRef.parse(ref), ref);
    assert.deepEqual(await artifacts.get(ref), bytes('voxels'));
  });

  it('writes the same bytes once, and asks no more than a HEAD the second time', async () => {
    const store = new MemoryStore();
    const artifacts = new ArtifactStore(store);
    const first = await artifacts.put('volume', bytes('voxels'));
    const before = { ...store.counts };
    assert.deepEqual(await artifacts.put('volume', bytes('voxels')), first);
    assert.deepEqual(store.counts, { ...before, put: before.put + 1, head: before.head + 1 });
  });

  it('takes a refused write of its own bytes for what it is: a lost acknowledgement', async () => {
    const artifacts = new ArtifactStore(new LostAcknowledgements());
    const ref = await artifacts.put('volume', bytes('voxels'));
    assert.deepEqual(await artifacts.get(ref), bytes('voxels'));
  });

  it('replaces an object that was cut on its way in', async () => {
    const store = new MemoryStore();
    const key = `cas/sha256/${sha256Hex(bytes('voxels'))}`;
    await store.put(key, bytes('vox'));
    const artifacts = new ArtifactStore(store);
    assert.deepEqual(await artifacts.get(await artifacts.put('volume', bytes('voxels'))), bytes('voxels'));
  });

  it('detects wrong bytes of the right length, and says what to do', async () => {
    const store = new MemoryStore();
    const artifacts = new ArtifactStore(store);
    const ref = await artifacts.put('volume', bytes('voxels'));
    await store.put(ref.key, bytes('vOxels'));
    await assertRejectsWithFault(
      artifacts.get(ref),
      'ARTIFACT_CORRUPT',
      /Delete this object and run the pipeline again/,
    );
  });

  it('reads once more when the bytes were damaged on the way', async () => {
    class FlippedOnce extends MemoryStore {
      override async get(key: string, range?: ByteRange) {
        const object = await super.get(key, range);
        if (this.gets === 1) object!.bytes[0]! ^= 1;
        return object;
      }
    }
    const artifacts = new ArtifactStore(new FlippedOnce());
    const ref = await artifacts.put('volume', bytes('voxels'));
    assert.deepEqual(await artifacts.get(ref), bytes('voxels'));
  });

  it('names the missing object', async () => {
    const store = new MemoryStore();
    const artifacts = new ArtifactStore(store);
    const ref = await artifacts.put('volume', bytes('voxels'));
    assert.equal(await artifacts.has(ref), true);
    assert.equal(await artifacts.has({ ...ref, bytes: 7 }), false);
    store.delete(ref.key);
    assert.equal(await artifacts.has(ref), false);
    await assertRejectsWithFault(
      artifacts.get(ref),
      'ARTIFACT_MISSING',
      /cas\/sha256\/[0-9a-f]{64}: found no such object/,
    );
  });

  it('stores what is read piece by piece under the hash of the whole, and reads it once where that is known', async () => {
    const [store, source] = [new MemoryStore(), countedSource(PART_BYTES + 1000)];
    const artifacts = new ArtifactStore(store);
    const told: [number, number][] = [];
    const ref = await artifacts.putSource('weights', source, { onProgress: (...bytes) => told.push(bytes) });
    assert.deepEqual(ref, { ...ref, kind: 'weights', bytes: source.bytes, sha256: sha256Hex(source.content) });
    assert.equal(source.ranges.length, 4);
    assert.deepEqual(told, [[source.bytes, source.bytes]]);
    assert.equal(Buffer.compare(await artifacts.get(ref), source.content), 0);

    const again = countedSource(PART_BYTES + 1000);
    assert.deepEqual(await artifacts.putSource('weights', again, { sha256: ref.sha256 }), ref);
    assert.deepEqual(again.ranges, [], 'read, although it is there');
    store.delete(ref.key);
    assert.deepEqual(await artifacts.putSource('weights', again, { sha256: ref.sha256 }), ref);
    assert.equal(again.ranges.length, 2);
  });

  it('stores the same small bytes under the same reference, whichever way they come', async () => {
    const artifacts = new ArtifactStore(new MemoryStore());
    const source = countedSource(1000);
    assert.deepEqual(await artifacts.putSource('weights', source), await artifacts.put('weights', source.content));
  });

  it('refuses a source that changes while it is stored', async () => {
    const [store, source] = [new MemoryStore(), countedSource(PART_BYTES + 1000)];
    const { read } = source;
    source.read = async (target, from) => {
      if (source.ranges.length === 3) source.content[from]! ^= 1;
      return read(target, from);
    };
    await assertRejectsWithFault(
      new ArtifactStore(store).putSource('weights', source),
      'ARTIFACT_CHANGED',
      /Start again when nobody writes to the file/,
    );
    assert.equal(store.puts, 0);
  });

  it('streams an artifact in parts, and says at the end whether they were the right ones', async () => {
    const [store, source] = [new MemoryStore(), countedSource(PART_BYTES + 1000)];
    const artifacts = new ArtifactStore(store);
    const ref = await artifacts.putSource('weights', source);
    const drain = async () => {
      const lengths: number[] = [];
      for await (const part of artifacts.stream(ref)) lengths.push(part.length);
      return lengths;
    };
    assert.deepEqual(await drain(), [PART_BYTES, 1000]);
    source.content[7]! ^= 1;
    await store.put(ref.key, source.content);
    await assertRejectsWithFault(drain(), 'ARTIFACT_CORRUPT');
    await store.put(ref.key, source.content.subarray(0, PART_BYTES));
    await assertRejectsWithFault(drain(), 'ARTIFACT_CORRUPT');
    store.delete(ref.key);
    await assertRejectsWithFault(drain(), 'ARTIFACT_MISSING');
  });

  it('stores equal JSON values as one object, whatever the order of their members', async () => {
    const artifacts = new ArtifactStore(new MemoryStore());
    const ref = await artifacts.putJson('split', { b: 1, a: [2] });
    assert.deepEqual(await artifacts.putJson('split', { a: [2], b: 1 }), ref);
    const schema = z.strictObject({ a: z.array(z.int()), b: z.int() });
    assert.deepEqual(await artifacts.getJson(ref, schema), { a: [2], b: 1 });
  });

  for (const [what, content] of [
    ['another form', '{"a":"text"}'],
    ['no JSON', '{'],
  ] as const) {
    it(`refuses JSON artifacts of ${what}`, async () => {
      const artifacts = new ArtifactStore(new MemoryStore());
      const ref = await artifacts.put('split', bytes(content));
      await assertRejectsWithFault(artifacts.getJson(ref, z.strictObject({ a: z.int() })), 'ARTIFACT_FORMAT', /split/);
    });
  }

  it('passes on what the store itself has to say', async () => {
    const broken = { put: () => Promise.reject(new Error('no route')) } as unknown as ObjectStore;
    await assert.rejects(new ArtifactStore(broken).put('volume', bytes('x')), /no route/);
  });
});

describe('pointers', () => {
  const Champion = z.strictObject({ run: z.string() });
  const KEY = 'models/lungs/champion.json';

  it('change only from the state that was read', async () => {
    const artifacts = new ArtifactStore(new MemoryStore());
    assert.equal(await artifacts.readPointer(KEY, Champion), null);
    await artifacts.writePointer(KEY, { run: 'one' }, null);
    const read = await artifacts.readPointer(KEY, Champion);
    assert.deepEqual(read?.value, { run: 'one' });
    await artifacts.writePointer(KEY, { run: 'two' }, read!.etag);
    await assert.rejects(artifacts.writePointer(KEY, { run: 'three' }, read!.etag), PreconditionFailed);
    await assert.rejects(artifacts.writePointer(KEY, { run: 'four' }, null), PreconditionFailed);
    assert.deepEqual((await artifacts.readPointer(KEY, Champion))?.value, { run: 'two' });
  });

  it('are refused when they do not parse: guessing would promote the wrong model', async () => {
    const store = new MemoryStore();
    await store.put(KEY, bytes('{"walk":1}'));
    await assertRejectsWithFault(
      new ArtifactStore(store).readPointer(KEY, Champion),
      'POINTER_UNREADABLE',
      /champion\.json/,
    );
  });
});
