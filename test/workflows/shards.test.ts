import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { shardSlices, shardsOf } from '../../workflows/shards.ts';

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
