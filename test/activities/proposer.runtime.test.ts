import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RunConfig } from '../../contracts/config.ts';
import type { InferResult, TrainProposerInput } from '../../contracts/stages.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import { structuresOf } from '../../lib/dataset/label-groups.ts';
import { openWorker, run } from '../helpers/stages.ts';

/** From the scans to masks that nobody helped with, by boxes that were learned. */

const { source, dataset, slices, prompts, training, evaluation } = RunConfig.parse({
  name: 'proposer',
  source: { kind: 'phantom', patients: 3, seed: 7 },
  dataset: {
    target: 'lungs',
    pattern: { image: '3d_images/IMG_{patient}.nii.gz', mask: '3d_images/MASK_{patient}.nii.gz' },
  },
  slices: { window: 'lung' },
  prompts: { automatic: 'proposer' },
  training: { epochs: 2, learningRate: 1e-3 },
});
const SAM_NANO = fileURLToPath(new URL('../../models/sam-nano', import.meta.url));
const structures = structuresOf(dataset.target, dataset.labels);

describe('a box proposer, from the scans to the masks', () => {
  const store = new MemoryStore();
  const artifacts = new ArtifactStore(store);
  let cacheDir: string;
  let worker: ReturnType<typeof openWorker>;
  let learning: TrainProposerInput;
  let weights: Awaited<ReturnType<typeof worker.fineTune>>['weights'];
  let proposed: Awaited<ReturnType<typeof worker.trainProposer>>;
  let unseen: { patient: string; volume: InferResult['mask'] };

  before(async () => {
    cacheDir = await mkdtemp(join(tmpdir(), 'samflow-proposer-'));
    worker = openWorker(store, cacheDir);
    const spec = await artifacts.putJson('dataset-spec', { source, dataset });
    const { patients } = await run(worker.download, { spec });
    const { model } = await run(worker.importModel, { checkpoint: SAM_NANO });
    const encoded = [];
    for (const { patient, files } of patients.slice(0, 2)) {
      const { volume } = await run(worker.convert, { patient, files });
      const { slices: stacks, count } = await run(worker.slice, { patient, volume, slices });
      const { embeddings } = await run(worker.encodeShard, { model, slices: stacks, from: 0, to: count });
      encoded.push({ patient, slices: stacks, shards: [{ embeddings, from: 0, to: count }] });
    }
    const [train, val] = [[encoded[0]!], [encoded[1]!]];
    ({ weights } = await run(worker.fineTune, { model, train, val, prompts, training }));
    learning = { ...{ model, train, val, prompts }, structures: structures.length, seed: training.seed };
    proposed = await run(worker.trainProposer, learning);
    const { patient, files } = patients[2]!;
    unseen = { patient, volume: (await run(worker.convert, { patient, files })).volume };
  });
  after(() => rm(cacheDir, { recursive: true, force: true }));

  const inferred = async (setting: Partial<typeof prompts>): Promise<InferResult> => {
    const metrics = { zeroShot: { dice: 0, iou: 0 }, fineTuned: { dice: 0, iou: 0 } };
    const { package: ref } = await run(worker.package, {
      ...{ name: 'x', target: dataset.target, structures, model: learning.model, weights, metrics, slices, evaluation },
      prompts: { ...prompts, ...setting },
      proposer: (setting.automatic ?? 'proposer') === 'proposer' ? proposed.proposer : null,
      train: learning.train.map(({ patient, slices }) => ({ patient, slices })),
      ...{ learnedFrom: [], heldOut: [], fingerprint: 'f' },
    });
    return run(worker.infer, { package: ref, ...unseen });
  };

  it('has a quarter of the slices without the target to learn from', () => {
    assert.equal(slices.negatives, 0.25);
  });

  it('is trained once for the same slices, prompts and seed, and anew for others', async () => {
    assert.equal(proposed.reused, false);
    assert.ok(proposed.figures.valBoxIou > 0.5, JSON.stringify(proposed.figures));
    assert.equal((await run(worker.trainProposer, learning)).reused, true);
    const wider = { ...learning, prompts: { ...prompts, jitter: 0.5 } };
    assert.equal((await run(worker.trainProposer, wider)).reused, true);
    const other = await run(worker.trainProposer, { ...learning, seed: 8 });
    assert.equal(other.reused, false);
    assert.notEqual(other.proposer.sha256, proposed.proposer.sha256);
  });

  it('segments a scan that nobody has seen, far better than the whole image as a box does, and says so', async () => {
    const [own, image] = [await inferred({}), await inferred({ automatic: 'image' })];
    assert.deepEqual([own.prompts, image.prompts, own.propagated], ['proposer', 'image', false]);
    assert.ok(own.overlap!.dice > 0.85, `${own.overlap!.dice}`);
    assert.ok(image.overlap!.dice < 0.6, `${image.overlap!.dice}`);
    assert.ok(own.promptedSlices > 0 && own.promptedSlices <= image.promptedSlices);
  });

  it('starts a propagation, whose mask is another one', async () => {
    const [own, followed] = [await inferred({}), await inferred({ propagate: true })];
    assert.equal(followed.propagated, true);
    assert.notEqual(followed.mask.sha256, own.mask.sha256);
    assert.ok(followed.overlap!.dice > 0.7, `${followed.overlap!.dice}`);
  });
});
