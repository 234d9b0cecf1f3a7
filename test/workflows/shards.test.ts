import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openEncoded, shardSlices, shardsOf } from '../../workflows/shards.ts';

const slices = { kind: 'slices', key: `cas/sha256/${'0'.repeat(64)}`, sha256: '0'.repeat(64), bytes: 1 };
const patients = [
  { patient: 'p-1', slices, count: 5 },
  { patient: 'p-2', slices, count: 2 },
  { patient: 'p-3', slices, count: 0 },
];
const rows = (shards: ReturnType<typeof shardsOf>) => shards.map(({ patient, from, to }) => [patient, from, to]);

describe('shards of slices', () => {
  it('weigh about 16 MiB: eight slices of ViT-B', () => {
    assert.equal(shardSlices({ embeddingShape: [256, 64, 64] }), 8);
  });
  it('never hold more than 32 slices, nor less than one', () => {
    assert.equal(shardSlices({ embeddingShape: [64, 16, 16] }), 32);
    assert.equal(shardSlices({ embeddingShape: [1024, 256, 256] }), 1);
  });
  it('cover every slice of every patient once, in order', () => {
    assert.deepEqual(rows(shardsOf({ patients, shardSlices: 2 })), [
      ['p-1', 0, 2],
      ['p-1', 2, 4],
      ['p-1', 4, 5],
      ['p-2', 0, 2],
    ]);
  });
  it('leave out what is done', () => {
    const done = [{ patient: 'p-1', slices, shards: [{ embeddings: slices, from: 2, to: 4 }] }];
    assert.deepEqual(rows(shardsOf({ patients, shardSlices: 2 }, done)), [
      ['p-1', 0, 2],
      ['p-1', 4, 5],
      ['p-2', 0, 2],
    ]);
  });
});

describe('what is encoded', () => {
  const ref = (name: number) => ({ ...slices, kind: 'embeddings', sha256: String(name).padStart(64, '0') });
  const input = { patients: [{ patient: 'p-1', slices, count: 600 }], shardSlices: 2 };
  const shards = shardsOf(input);
  const list = { ...slices, kind: 'embedding-index' };

  it('stands there shard by shard, in order, where there are few', () => {
    const encoded = openEncoded(input, [], false);
    for (const shard of [...shards].reverse()) assert.equal(encoded.add(shard, ref(shard.from)), null);
    const [patient] = encoded.patients();
    assert.deepEqual(
      patient!.shards,
      shards.map(({ from, to }) => ({ embeddings: ref(from), from, to })),
    );
  });

  it('goes on lists of 256 shards where there are many, whatever order they end in, also over a new history', () => {
    let encoded = openEncoded(input, [], true);
    const due: [number, number, number][] = [];
    for (const [at, shard] of [...shards].reverse().entries()) {
      // What a workflow that goes on in a new history takes with it.
      if (at === 100) encoded = openEncoded(input, encoded.patients(), true);
      const listed = encoded.add(shard, ref(shard.from));
      if (!listed) continue;
      due.push([listed.length, listed[0]!.from, listed.at(-1)!.to]);
      encoded.replace('p-1', listed, list);
    }
    assert.deepEqual(due, [
      [44, 512, 600],
      [256, 0, 512],
    ]);
    const [patient] = encoded.patients();
    assert.deepEqual(patient!.shards, [
      { embeddings: list, from: 0, to: 512 },
      { embeddings: list, from: 512, to: 600 },
    ]);
    assert.deepEqual(shardsOf(input, [patient!]), []);
  });
});
