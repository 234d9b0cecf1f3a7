import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ArtifactRef } from '../../../contracts/artifact.ts';
import { ArtifactStore } from '../../../lib/artifacts/artifact-store.ts';
import { DiskCache } from '../../../lib/artifacts/disk-cache.ts';
import { MemoryStore } from '../../../lib/artifacts/memory-store.ts';

const CACHE_USER = fileURLToPath(new URL('../../helpers/cache-user.ts', import.meta.url));
const blob = (fill: number, bytes = 1000) => new Uint8Array(bytes).fill(fill);

describe('a disk cache', () => {
  let scratch: string;
  let dir: string;
  let count = 0;
  let store: MemoryStore;
  let troubles: unknown[];
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'samflow-disk-cache-'));
  });
  after(() => rm(scratch, { recursive: true, force: true }));
  beforeEach(() => {
    dir = join(scratch, `cache-${++count}`);
    store = new MemoryStore();
    troubles = [];
  });
  const open = (maxBytes = 10_000, at = dir) =>
    new ArtifactStore(store, new DiskCache({ dir: at, maxBytes, onTrouble: (error) => troubles.push(error) }));
  /** Stored by somebody else. */
  const stored = (kind: string, bytes: Uint8Array) => new ArtifactStore(store).put(kind, bytes);
  const fetches = async (artifacts: ArtifactStore, ref: ArtifactRef): Promise<number> => {
    const before = store.gets;
    const bytes = await artifacts.get(ref);
    assert.deepEqual([bytes.length, bytes[0], bytes.at(-1)], [ref.bytes, bytes[0], bytes[0]]);
    return store.gets - before;
  };

  it('is asked before the store, also for what this worker has made itself, and in the next process', async () => {
    const artifacts = open();
    const [theirs, ours] = [await stored('weights', blob(1)), await artifacts.put('embeddings', blob(2))];
    assert.deepEqual([await fetches(artifacts, theirs), await fetches(artifacts, theirs)], [1, 0]);
    assert.equal(await fetches(artifacts, ours), 0);
    assert.equal(await fetches(open(), theirs), 0);
    assert.equal((await stat(dir)).mode & 0o777, 0o700);
    assert.equal((await stat(join(dir, theirs.sha256))).mode & 0o777, 0o600);
  });

  it('forgets the copies of what is gone from the store, and of nothing else', async () => {
    const cache = new DiskCache({ dir, maxBytes: 10_000 });
    const artifacts = new ArtifactStore(store, cache);
    const refs = [await artifacts.put('weights', blob(1)), await artifacts.put('slices', blob(2))];
    const third = await artifacts.put('embeddings', blob(3));
    store.delete(refs[0]!.key);
    const isGone = async (sha256: string): Promise<boolean> => {
      if (sha256 === third.sha256) throw new Error('no answer');
      return (await store.head(`cas/sha256/${sha256}`)) === null;
    };
    await writeFile(join(dir, 'notes'), 'of somebody else');
    assert.equal(await cache.forget(isGone), 1);
    assert.deepEqual((await readdir(dir)).sort(), [refs[1]!.sha256, third.sha256, 'notes'].sort());
    assert.equal(await cache.forget(isGone), 0);
    assert.equal(await new DiskCache({ dir: join(dir, 'none'), maxBytes: 1 }).forget(isGone), 0);
  });

  it('gives each reader memory of its own', async () => {
    const artifacts = open();
    const ref = await artifacts.put('slices', blob(3));
    (await artifacts.get(ref)).fill(0);
    assert.deepEqual(new Uint8Array(await artifacts.get(ref)), blob(3));
  });

  it('keeps weights, embeddings and slices, and nothing that is read once', async () => {
    const artifacts = open();
    for (const kind of ['scan', 'mask', 'volume', 'report', 'checkpoint']) await artifacts.put(kind, blob(4));
    assert.deepEqual(await readdir(dir).catch(() => []), []);
  });

  it('drops a damaged file, whether changed or cut, and has it fetched again', async () => {
    const artifacts = open();
    const ref = await artifacts.put('weights', blob(5));
    for (const damaged of [blob(6), blob(5, 999), new Uint8Array(0)]) {
      await writeFile(join(dir, ref.sha256), damaged);
      assert.deepEqual([await fetches(artifacts, ref), await fetches(artifacts, ref)], [1, 0]);
    }
    assert.deepEqual(troubles, []);
  });

  it('never holds more than its bound, and lets go what was unused for longest', async () => {
    const artifacts = open(3_200);
    const refs = [];
    for (const [age, fill] of [40, 30, 20].entries()) {
      const ref = await artifacts.put('slices', blob(fill));
      const then = new Date(Date.now() - 1000 * (10 - age));
      await utimes(join(dir, ref.sha256), then, then);
      refs.push(ref);
    }
    // Used again, the oldest is the youngest.
    assert.equal(await fetches(artifacts, refs[0]!), 0);
    const added = await artifacts.put('slices', blob(10));
    assert.deepEqual((await readdir(dir)).sort(), [refs[0]!, refs[2]!, added].map(({ sha256 }) => sha256).sort());
    assert.equal((await artifacts.put('slices', blob(9, 3_201))).bytes, 3_201);
    assert.equal((await readdir(dir)).length, 3);
  });

  it('leaves alone what is not its own, and clears up after a process that died while writing', async () => {
    const artifacts = open(2_000);
    const ref = await artifacts.put('weights', blob(1));
    const notes = join(dir, 'notes.txt');
    const [dead, alive] = [1, 2].map((digit) => join(dir, `${ref.sha256}.${String(digit).repeat(12)}.part`));
    for (const path of [notes, dead!, alive!]) await writeFile(path, blob(7, 500));
    const long = new Date(Date.now() - 2 * 3_600_000);
    for (const path of [notes, dead!]) await utimes(path, long, long);
    await artifacts.put('weights', blob(2));
    const left = await readdir(dir);
    assert.ok(left.includes('notes.txt') && left.includes(alive!.slice(dir.length + 1)), left.join());
    assert.ok(!left.includes(dead!.slice(dir.length + 1)), left.join());
  });

  it('may be deleted at any time', async () => {
    const artifacts = open();
    const refs = await Promise.all([1, 2, 3, 4].map((fill) => artifacts.put('embeddings', blob(fill))));
    let ended = false;
    const deleting = (async () => {
      for (let at = 0; !ended || at < 20; at++) await rm(dir, { recursive: true, force: true }).catch(() => undefined);
    })();
    for (let round = 0; round < 50; round++) for (const ref of refs) assert.ok((await fetches(artifacts, ref)) <= 1);
    ended = true;
    await deleting;
    assert.deepEqual(troubles, []);
  });

  it('that cannot be written is as if it were not there', async () => {
    const inTheWay = join(scratch, 'a-file');
    await writeFile(inTheWay, '');
    const artifacts = open(10_000, inTheWay);
    const ref = await artifacts.put('weights', blob(8));
    assert.deepEqual([await fetches(artifacts, ref), await fetches(artifacts, ref)], [1, 1]);
    assert.ok(troubles.length > 0);
    assert.equal((await readFile(inTheWay)).length, 0);
  });

  it('on a full disk keeps nothing half, and the work goes on', async (context) => {
    const small = await mkdtemp(join(scratch, 'small-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'samflow-test', small], { stdio: 'ignore' });
    } catch {
      return context.skip('no right to mount a small disk here');
    }
    try {
      const artifacts = open(10 * 2 ** 20, small);
      const refs = [];
      for (const fill of [1, 2, 3, 4]) refs.push(await artifacts.put('embeddings', blob(fill, 100_000)));
      assert.deepEqual(
        troubles.map((error) => (error as NodeJS.ErrnoException).code),
        ['ENOSPC', 'ENOSPC'],
      );
      assert.equal((await readdir(small)).length, 2);
      for (const ref of refs) await fetches(artifacts, ref);
    } finally {
      execFileSync('umount', [small]);
    }
  });

  it('is shared by processes that write, read and make room at once', async () => {
    const [maxBytes, blobs, bytes] = [1_000_000, 16, 100_000];
    const use = (start: number) =>
      promisify(execFile)(process.execPath, [
        ...['--import', 'tsx', CACHE_USER, dir],
        ...[maxBytes, blobs, bytes, 200, start].map(String),
      ]);
    const answers = (await Promise.all([0, 5, 10].map(use))).map(({ stdout }) => JSON.parse(stdout));
    for (const { wrong, troubles: found } of answers) assert.deepEqual([wrong, found], [0, []]);
    assert.ok(
      answers.some(({ hits }) => hits > 0),
      'one found what another had written, or its own',
    );
    const sizes = await Promise.all((await readdir(dir)).map(async (name) => (await stat(join(dir, name))).size));
    assert.ok(sizes.reduce((sum, size) => sum + size, 0) <= maxBytes, sizes.join());
  });
});
