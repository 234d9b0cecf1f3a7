import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { ArtifactRef } from '../../../contracts/artifact.ts';
import { ArtifactStore } from '../../../lib/artifacts/artifact-store.ts';
import { memoKey } from '../../../lib/artifacts/keys.ts';
import { artifactRefsIn } from '../../../lib/artifacts/manifest.ts';
import type { MemoOptions } from '../../../lib/artifacts/memo.ts';
import { MemoryStore } from '../../../lib/artifacts/memory-store.ts';

const Value = z.strictObject({ volume: ArtifactRef, count: z.int() });
const identity = { stage: 'convert', version: 1, parameters: { window: 'lung' }, inputs: ['a'.repeat(64)] };

/** A stage that stores an artifact, and counts how often it was run. */
function stageIn(store: MemoryStore, text = 'voxels') {
  const artifacts = new ArtifactStore(store);
  const runs = { count: 0 };
  const run = (
    change: Partial<typeof identity> & Partial<Pick<MemoOptions<unknown>, 'signal' | 'by'>> & { delayMs?: number } = {},
  ) =>
    artifacts.memo({
      schema: Value,
      ...identity,
      ...change,
      async compute() {
        runs.count += 1;
        await sleep(change.delayMs ?? 0);
        return { volume: await artifacts.put('volume', Buffer.from(text)), count: runs.count };
      },
    });
  return { artifacts, runs, run };
}

describe('memo', () => {
  it('does the work once, also for another process, and tells how long it took then', async () => {
    const store = new MemoryStore();
    const first = await stageIn(store).run({ delayMs: 30 });
    assert.equal(first.reused, false);
    assert.ok(first.seconds >= 0.025, `${first.seconds}`);
    const later = stageIn(store);
    const { cause, ...rest } = first;
    assert.equal(cause, 'new');
    assert.deepEqual(await later.run(), { ...rest, reused: true });
    assert.equal(later.runs.count, 0);
  });

  for (const [what, change] of [
    ['stage', { stage: 'slice' }],
    ['version', { version: 2 }],
    ['parameters', { parameters: { window: 'bone' } }],
    ['inputs', { inputs: ['b'.repeat(64)] }],
    ['order of inputs', { inputs: ['b'.repeat(64), 'a'.repeat(64)] }],
  ] as const) {
    it(`does the work again for another ${what}`, async () => {
      const { run, runs } = stageIn(new MemoryStore());
      await run();
      await run(change as Partial<typeof identity>);
      assert.equal(runs.count, 2);
    });
  }

  it('does the work again, and keeps the new result, when an artifact of the old one has vanished', async () => {
    const store = new MemoryStore();
    const { run, runs } = stageIn(store);
    const { value } = await run();
    store.delete(value.volume.key);
    const again = await run();
    assert.deepEqual([again.reused, again.value.count], [false, 2]);
    assert.deepEqual([(await run()).reused, runs.count], [true, 2]);
  });

  it('does the work again when an artifact has another size than its reference says', async () => {
    const store = new MemoryStore();
    const { run } = stageIn(store);
    const { value } = await run();
    await store.put(value.volume.key, Buffer.from('vox'));
    const again = await run();
    assert.deepEqual([again.reused, again.cause], [false, 'lost']);
    assert.equal((await run()).reused, true);
  });

  it('does the work again when an artifact was replaced by other bytes of the same length', async () => {
    const store = new MemoryStore();
    const { run, artifacts } = stageIn(store);
    const { value } = await run();
    await store.put(value.volume.key, Buffer.from('VOXELS'));
    assert.deepEqual([(await run()).cause, (await run()).reused], ['lost', true]);
    assert.equal(Buffer.from(await artifacts.get(value.volume)).toString(), 'voxels');
  });

  it('reads no bytes of an artifact to believe it, and asks for each once', async () => {
    const store = new MemoryStore();
    const { run } = stageIn(store);
    await run();
    const before = { ...store.counts };
    await run();
    assert.deepEqual(store.counts, { ...before, get: before.get + 1, head: before.head + 1 });
  });

  it('believes no manifest that lies under the key of another identity', async () => {
    const store = new MemoryStore();
    const { run, runs } = stageIn(store);
    const { key } = await run();
    const other = { ...identity, parameters: { window: 'bone' } };
    await store.put(memoKey(other), (await store.get(key))!.bytes);
    assert.equal((await run(other)).reused, false);
    assert.equal(runs.count, 2);
  });

  for (const [what, manifest] of [
    ['is not JSON', '{"value":'],
    ['is of another form', '{"value":{"volume":1},"seconds":1}'],
    ['has no duration', '{"value":{}}'],
    ['is null', 'null'],
  ] as const) {
    it(`takes a manifest that ${what} for a miss, and mends it`, async () => {
      const store = new MemoryStore();
      await store.put(memoKey(identity), Buffer.from(manifest));
      const { run } = stageIn(store);
      assert.deepEqual([(await run()).reused, (await run()).reused], [false, true]);
    });
  }

  it('runs once for ten callers at the same time, and gives all of them one value', async () => {
    const { run, runs } = stageIn(new MemoryStore());
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => run({ delayMs: 20 })));
    assert.equal(runs.count, 1);
    assert.deepEqual(new Set(outcomes.map(({ value }) => value.count)), new Set([1]));
    assert.equal(outcomes.filter(({ reused }) => !reused).length, 1);
  });

  it('lets the first manifest stand when two processes do the same work', async () => {
    const store = new MemoryStore();
    const slow = stageIn(store, 'slow').run({ delayMs: 60 });
    const quick = await stageIn(store, 'quick').run({ delayMs: 10 });
    assert.deepEqual((await slow).value, quick.value);
  });

  it('tries for itself after another caller failed', async () => {
    const artifacts = new ArtifactStore(new MemoryStore());
    let runs = 0;
    const attempt = () =>
      artifacts.memo({
        ...identity,
        schema: z.int(),
        async compute() {
          runs += 1;
          await sleep(10);
          if (runs === 1) throw new Error('out of memory');
          return runs;
        },
      });
    const [first, second] = await Promise.allSettled([attempt(), attempt()]);
    assert.equal(first.status, 'rejected');
    assert.deepEqual(second.status === 'fulfilled' && second.value.value, 2);
  });

  it('commits nothing after a cancellation', async () => {
    const store = new MemoryStore();
    const controller = new AbortController();
    const { run } = stageIn(store);
    const running = run({ delayMs: 30, signal: controller.signal });
    setTimeout(() => controller.abort(new Error('cancelled')), 5);
    await assert.rejects(running, /cancelled/);
    assert.equal(await store.head(memoKey(identity)), null);
    await assert.rejects(run({ signal: controller.signal }), /cancelled/);
  });

  it('does the work again for a run that was told to, once, however often that run asks', async () => {
    const store = new MemoryStore();
    const { run, runs } = stageIn(store);
    const first = await run({ by: { run: 'first' } });
    const by = { run: 'second', token: 'told' };
    const forced = await run({ by });
    assert.deepEqual([forced.reused, forced.cause, forced.key], [false, 'forced', first.key]);
    assert.equal((await run({ by })).reused, true);
    assert.equal((await run({ by: { run: 'third' } })).reused, true);
    assert.equal((await run({ by: { run: 'fourth', token: 'told again' } })).reused, false);
    assert.equal(runs.count, 3);
  });

  it('says new, not forced, where nothing was there', async () => {
    const { run } = stageIn(new MemoryStore());
    assert.equal((await run({ by: { run: 'first', token: 'told' } })).cause, 'new');
  });

  it('gives the value as a later run will read it, without members that are undefined', async () => {
    const artifacts = new ArtifactStore(new MemoryStore());
    const schema = z.object({ a: z.int(), b: z.int().optional() });
    const compute = async () => ({ a: 1, b: undefined });
    const { value } = await artifacts.memo({ ...identity, schema, compute });
    assert.deepEqual(Object.keys(value), ['a']);
  });

  it('keeps what decided the result in the manifest, and whose work it was, for people who ask why', async () => {
    const store = new MemoryStore();
    await stageIn(store).run({ by: { run: 'first' } });
    const { value, seconds, made, ...rest } = JSON.parse(
      Buffer.from((await store.get(memoKey(identity)))!.bytes).toString(),
    );
    assert.deepEqual(rest, identity);
    assert.equal(made.run, 'first');
    assert.ok(Math.abs(Date.now() - Date.parse(made.at)) < 60_000);
  });

  it('finds references at any depth, each once', () => {
    const ref = (digit: string) => {
      const sha256 = digit.repeat(64);
      return { kind: 'volume', key: `cas/sha256/${sha256}`, sha256, bytes: 1 };
    };
    const value = {
      a: [{ b: ref('1') }, ref('2')],
      c: ref('1'),
      d: null,
      e: 'cas/sha256/x',
      f: { ...ref('3'), extra: 1 },
    };
    assert.deepEqual(artifactRefsIn(value), [ref('1'), ref('2')]);
  });
});
