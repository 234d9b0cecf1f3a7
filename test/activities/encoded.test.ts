import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { MockActivityEnvironment } from '@temporalio/testing';
import { EMBEDDINGS, encodedDigests, readEmbeddings } from '../../activities/encoded.ts';
import { createIndexEmbeddings } from '../../activities/index-embeddings.ts';
import type { ArtifactRef } from '../../contracts/artifact.ts';
import type { EmbeddingPiece, IndexEmbeddingsResult } from '../../contracts/stages.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import { encodeSafetensors } from '../../lib/safetensors.ts';
import { assertRejectsWithFault } from '../helpers/faults.ts';

describe('a patient’s embeddings', () => {
  const patient = 'p-000000000001';
  let store: MemoryStore;
  let artifacts: ArtifactStore;
  let slices: ArtifactRef;
  let shards: EmbeddingPiece[];
  let index: ArtifactRef;
  beforeEach(async () => {
    store = new MemoryStore();
    artifacts = new ArtifactStore(store);
    slices = await artifacts.put('slices', new Uint8Array([1]));
    shards = [];
    for (const [from, to] of [
      [0, 2],
      [2, 4],
      [4, 5],
    ] as const) {
      const data = Uint16Array.from({ length: 2 * (to - from) }, (_, at) => 2 * from + at);
      const tensor = { dtype: 'F16' as const, shape: [to - from, 2, 1, 1], data };
      const embeddings = await artifacts.put('embeddings', encodeSafetensors([[EMBEDDINGS, tensor]]));
      shards.push({ embeddings, from, to });
    }
    const activity = createIndexEmbeddings({ artifacts } as never);
    const listed = { shards: shards.slice(0, 2) };
    ({ index } = (await new MockActivityEnvironment().run(activity, listed)) as IndexEmbeddingsResult);
  });
  const rows = async (pieces: EmbeddingPiece[]) =>
    (await readEmbeddings(artifacts, { patient, slices, shards: pieces })).map((row) => [...row]);
  const EXPECTED = [0, 1, 2, 3, 4].map((row) => [2 * row, 2 * row + 1]);

  it('are the same whether the shards are named one by one or stand on a list', async () => {
    assert.deepEqual(await rows(shards), EXPECTED);
    assert.equal(index.kind, 'embedding-index');
    assert.deepEqual(await rows([{ embeddings: index, from: 0, to: 4 }, shards[2]!]), EXPECTED);
  });

  it('on a list are known by the list, which is the same for the same shards', async () => {
    const again = await artifacts.putJson('embedding-index', shards.slice(0, 2));
    assert.deepEqual(again, index);
    const pieces = [{ embeddings: index, from: 0, to: 4 }];
    assert.deepEqual(encodedDigests({ patient, slices, shards: pieces }), [slices.sha256, index.sha256]);
  });

  it('of which one is gone are not read: the sentence says what makes it again', async () => {
    store.delete(shards[1]!.embeddings.key);
    await assertRejectsWithFault(
      rows([{ embeddings: index, from: 0, to: 4 }]),
      'ARTIFACT_MISSING',
      /Run the pipeline again/,
    );
  });
});
