import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, it, mock } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { Sessions } from '../../activities/sessions.ts';
import type { ModelRef } from '../../contracts/stages.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import { ImageEncoder } from '../../lib/training/encoder.ts';
import { tinyFiles } from '../helpers/tiny-model.ts';

const WEIGHTS = new URL('../fixtures/sam-tiny/model.safetensors', import.meta.url);
const SIDE = 32;

describe('the encoder that a worker keeps open', () => {
  const artifacts = new ArtifactStore(new MemoryStore());
  let model: ModelRef;
  let sessions: Sessions;
  /** Every encoder that was opened, in order. */
  let opened: ImageEncoder[];
  before(async () => {
    const { config, preprocessor } = tinyFiles();
    model = {
      ...{ name: 'sam-tiny', origin: null, embeddingShape: [32, 8, 8] },
      config: await artifacts.putJson('model-config', config),
      preprocessor: await artifacts.putJson('model-preprocessor', preprocessor),
      weights: await artifacts.put('weights', readFileSync(WEIGHTS)),
    };
    const open = ImageEncoder.open;
    mock.method(ImageEncoder, 'open', async (...how: Parameters<typeof open>) => {
      const encoder = await open(...how);
      opened.push(encoder);
      return encoder;
    });
  });
  beforeEach(() => {
    opened = [];
    sessions = new Sessions({ artifacts, threads: 1 });
  });
  after(() => mock.restoreAll());

  const openUntil = new AbortController().signal;
  const encode = async (signal?: AbortSignal): Promise<number> => {
    const encoder = await sessions.encoder(model, openUntil);
    return (await encoder.encode(new Uint8Array(SIDE * SIDE), 1, SIDE, SIDE, signal)).length;
  };
  const size = 32 * 8 * 8;

  it('serves one shard after another, also after one that was cancelled', async () => {
    assert.equal(await encode(), size);
    await assert.rejects(encode(AbortSignal.abort()), { name: 'AbortError' });
    assert.equal(await encode(), size);
    assert.equal(opened.length, 1);
    await sessions.release();
  });

  it('is not held where its opening was cancelled', async () => {
    await assert.rejects(sessions.encoder(model, AbortSignal.timeout(20)), { name: 'TimeoutError' });
    assert.equal(await encode(), size);
    assert.equal(opened.length, 1);
    await sessions.release();
  });

  it('is let go when its thread has died, so that the next attempt opens another', async () => {
    assert.equal(await encode(), size);
    const { session } = opened[0] as unknown as { session: { thread: Worker } };
    await session.thread.terminate();
    await assert.rejects(encode(), /thread ended/);
    assert.equal(await encode(), size);
    assert.equal(opened.length, 2);
    await sessions.release();
  });
});
