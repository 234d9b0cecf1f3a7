import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { type ByteSource, type ObjectStore, PART_BYTES, PreconditionFailed } from '../../../lib/artifacts/store.ts';
import { assertRejectsWithFault } from '../../helpers/faults.ts';

const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const textOf = (object: { bytes: Uint8Array } | null) => object && Buffer.from(object.bytes).toString();
const sha256Of = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

/** Bytes that tell by their value where they stand, and the ranges that were read of them. */
export function countedSource(size: number): ByteSource & { content: Uint8Array; ranges: [number, number][] } {
  const content = new Uint8Array(size);
  for (let at = 0; at < size; at++) content[at] = (at * 31) ^ (at >> 8) ^ (at >> 16);
  const ranges: [number, number][] = [];
  const read = async (target: Uint8Array, from: number): Promise<void> => {
    ranges.push([from, from + target.length]);
    target.set(content.subarray(from, from + target.length));
  };
  return { bytes: size, content, ranges, read };
}

const isPreconditionFailed = (error: unknown) => error instanceof PreconditionFailed;

/** What every object store must do; each test works under a prefix of its own. */
export function objectStoreSuite(open: () => ObjectStore): void {
  const fresh = () => `suite/${randomUUID()}`;

  it('gives back what was put, with the same ETag each time', async () => {
    const store = open();
    const key = fresh();
    const { etag } = await store.put(key, bytes('hello'), { contentType: 'text/plain' });
    assert.equal(textOf(await store.get(key)), 'hello');
    assert.equal((await store.get(key))?.etag, etag);
    const head = await store.head(key);
    assert.deepEqual([head?.bytes, head?.etag], [5, etag]);
    assert.equal(head?.sha256, createHash('sha256').update('hello').digest('hex'));
  });

  it('tells the digest of a whole object that was read, if any', async () => {
    const store = open();
    const key = fresh();
    await store.put(key, bytes('hello'));
    const digest = sha256Of(bytes('hello'));
    assert.equal((await store.get(key))?.sha256 ?? digest, digest);
    assert.equal((await store.get(key, { from: 1, to: 3 }))?.sha256, undefined);
  });

  it('holds empty objects and keys of many parts', async () => {
    const store = open();
    const key = `${fresh()}/a b/ü+%20/c.json`;
    await store.put(key, new Uint8Array(0));
    assert.deepEqual((await store.get(key))?.bytes.length, 0);
    assert.equal((await store.head(key))?.bytes, 0);
  });

  it('says null for what is not there', async () => {
    const store = open();
    assert.equal(await store.get(fresh()), null);
    assert.equal(await store.get(fresh(), { from: 0, to: 1 }), null);
    assert.equal(await store.head(fresh()), null);
  });

  it('replaces an object when no condition is given', async () => {
    const store = open();
    const key = fresh();
    const first = await store.put(key, bytes('one'));
    const second = await store.put(key, bytes('two'));
    assert.notEqual(first.etag, second.etag);
    assert.equal(textOf(await store.get(key)), 'two');
  });

  it('reads by range: [from, to), clipped at the end', async () => {
    const store = open();
    const key = fresh();
    await store.put(key, bytes('0123456789'));
    assert.equal(textOf(await store.get(key, { from: 2, to: 5 })), '234');
    assert.equal(textOf(await store.get(key, { from: 9, to: 100 })), '9');
    assert.equal(textOf(await store.get(key, { from: 0, to: 10 })), '0123456789');
  });

  for (const [what, range] of [
    ['starts at the end', { from: 10, to: 11 }],
    ['is empty', { from: 3, to: 3 }],
    ['is negative', { from: -1, to: 3 }],
    ['is not whole', { from: 0.5, to: 3 }],
  ] as const) {
    it(`refuses a range that ${what}`, async () => {
      const store = open();
      const key = fresh();
      await store.put(key, bytes('0123456789'));
      await assert.rejects(store.get(key, range), RangeError);
    });
  }

  it('writes with If-None-Match only where nothing is', async () => {
    const store = open();
    const key = fresh();
    await store.put(key, bytes('first'), { ifNoneMatch: '*' });
    await assert.rejects(store.put(key, bytes('second'), { ifNoneMatch: '*' }), isPreconditionFailed);
    assert.equal(textOf(await store.get(key)), 'first');
  });

  it('writes with If-Match only over the state that was read', async () => {
    const store = open();
    const key = fresh();
    const { etag } = await store.put(key, bytes('one'));
    const next = await store.put(key, bytes('two'), { ifMatch: etag });
    await assert.rejects(store.put(key, bytes('three'), { ifMatch: etag }), isPreconditionFailed);
    await assert.rejects(store.put(fresh(), bytes('four'), { ifMatch: etag }), isPreconditionFailed);
    assert.equal(textOf(await store.get(key)), 'two');
    await store.put(key, bytes('five'), { ifMatch: next.etag });
  });

  it('lets exactly one of 50 simultaneous first writers win', async () => {
    const store = open();
    const key = fresh();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, (_, writer) => store.put(key, bytes(`writer ${writer}`), { ifNoneMatch: '*' })),
    );
    const winners = outcomes.flatMap(({ status }, writer) => (status === 'fulfilled' ? [writer] : []));
    assert.equal(winners.length, 1);
    assert.equal(textOf(await store.get(key)), `writer ${winners[0]}`);
    const losers = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.ok(losers.every((outcome) => isPreconditionFailed(outcome.reason)));
  });

  it('lets exactly one of 20 writers change a pointer from the state they all read', async () => {
    const store = open();
    const key = fresh();
    const { etag } = await store.put(key, bytes('start'));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, writer) => store.put(key, bytes(`writer ${writer}`), { ifMatch: etag })),
    );
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  });

  it('refuses bytes that do not have the SHA-256 they are said to have, and keeps nothing of them', async () => {
    const store = open();
    const key = fresh();
    await assert.rejects(store.put(key, bytes('hello'), { sha256: '0'.repeat(64) }));
    assert.equal(await store.head(key), null);
  });

  it('stores a large object part by part, read once and in order', async () => {
    const store = open();
    const key = fresh();
    const source = countedSource(2 * PART_BYTES + 1000);
    const told: number[] = [];
    const sha256 = sha256Of(source.content);
    const { etag } = await store.putLarge(key, source, { sha256, onProgress: (done) => told.push(done) });
    assert.deepEqual(source.ranges, [
      [0, PART_BYTES],
      [PART_BYTES, 2 * PART_BYTES],
      [2 * PART_BYTES, source.bytes],
    ]);
    assert.equal(told.at(-1), source.bytes);
    const head = await store.head(key);
    assert.deepEqual([head?.bytes, head?.etag], [source.bytes, etag]);
    // A server may keep a digest of the parts' digests: that is not the object's, and must not be taken for it.
    assert.ok(head?.sha256 === undefined || head.sha256 === sha256);
    const across = { from: PART_BYTES - 5, to: PART_BYTES + 5 };
    assert.deepEqual([...(await store.get(key, across))!.bytes], [...source.content.subarray(across.from, across.to)]);
    assert.equal(sha256Of((await store.get(key))!.bytes), sha256);
  });

  it('keeps nothing of a large object whose bytes are others than were said', async () => {
    const store = open();
    const key = fresh();
    const source = countedSource(PART_BYTES + 1);
    await assertRejectsWithFault(store.putLarge(key, source, { sha256: '0'.repeat(64) }), 'ARTIFACT_CHANGED');
    assert.equal(await store.head(key), null);
  });

  it('ends a large upload when it is told to, and keeps nothing of it', async () => {
    const store = open();
    const key = fresh();
    const source = countedSource(3 * PART_BYTES);
    const stop = new AbortController();
    const { read } = source;
    source.read = async (target, from) => {
      if (from > 0) stop.abort(new Error('stopped'));
      return read(target, from);
    };
    const options = { sha256: sha256Of(source.content), signal: stop.signal };
    await assert.rejects(store.putLarge(key, source, options), /stopped/);
    assert.equal(await store.head(key), null);
  });

  it('deletes many objects at once, and takes those that are not there for deleted', async () => {
    const store = open();
    const prefix = `${fresh()}/`;
    const keys = Array.from({ length: 1100 }, (_, at) => `${prefix}${String(at).padStart(4, '0')} ü`);
    const there = [keys[0]!, keys[999]!, keys[1000]!, keys[1099]!];
    for (const key of [...there, `${prefix}stays`]) await store.put(key, bytes('x'));
    await store.deleteMany(keys);
    const left = [];
    for await (const { key } of store.list(prefix)) left.push(key);
    assert.deepEqual(left, [`${prefix}stays`]);
    await store.deleteMany([]);
  });

  it('tells when an object was written', async () => {
    const store = open();
    const key = fresh();
    await store.put(key, bytes('x'));
    for await (const { modified } of store.list(key)) {
      // Whole seconds on some servers, and the clock may be another machine's.
      assert.ok(Math.abs(modified.getTime() - Date.now()) < 60_000, modified.toISOString());
    }
  });

  it('lists what is under a prefix, in the order of the keys', async () => {
    const store = open();
    const prefix = `${fresh()}/`;
    for (const name of ['b', 'a/2', 'a/1', 'c']) await store.put(`${prefix}${name}`, bytes(name));
    const found = [];
    for await (const { key, bytes: size, etag } of store.list(prefix)) {
      found.push([key.slice(prefix.length), size]);
      assert.equal(etag, (await store.head(key))!.etag);
    }
    assert.deepEqual(found, [
      ['a/1', 3],
      ['a/2', 3],
      ['b', 1],
      ['c', 1],
    ]);
    for await (const { key } of store.list(`${prefix}none`)) assert.fail(key);
  });
}
