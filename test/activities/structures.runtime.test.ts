import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { RunConfig } from '../../contracts/config.ts';
import { Evaluation, ModelPackage } from '../../contracts/stages.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import { structuresOf } from '../../lib/dataset/label-groups.ts';
import { decodeSlices } from '../../lib/dataset/slices-record.ts';
import { decodeVolume } from '../../lib/dataset/volume-record.ts';
import { readNifti } from '../../lib/volume/nifti.ts';
import { openWorker, run } from '../helpers/stages.ts';

/** Two structures in three planes, from the scans to the masks: what one structure in one plane does not show. */

const { source, dataset, slices, prompts, training, evaluation } = RunConfig.parse({
  name: 'structures',
  source: { kind: 'phantom', patients: 3, seed: 7 },
  dataset: {
    target: 'chest',
    pattern: { image: '3d_images/IMG_{patient}.nii.gz', mask: '3d_images/MASK_{patient}.nii.gz' },
    labels: { lesions: 2, lungs: [1] },
  },
  slices: { window: 'lung', axis: 'all', pixels: 'square', minForegroundPixels: 24 },
  prompts: { minComponentPixels: 4, padding: 0.05 },
  training: { epochs: 1, batchBoxes: 4, learningRate: 1e-3 },
});
/** With boxes from the truth it finds what lies in them: a plane that is turned or moved would show. */
const SAM_NANO = fileURLToPath(new URL('../../models/sam-nano', import.meta.url));
const structures = structuresOf(dataset.target, dataset.labels);
const store = new MemoryStore();
const artifacts = new ArtifactStore(store);
const thin = { ...slices, everyNth: 6, negatives: 0.1 };

describe('two structures in three planes', () => {
  let cacheDir: string;
  let worker: ReturnType<typeof openWorker>;
  let patients: Awaited<ReturnType<typeof prepare>>[];
  let model: Awaited<ReturnType<typeof worker.importModel>>['model'];

  async function prepare(
    patient: string,
    volume: Awaited<ReturnType<typeof worker.convert>>['volume'],
    setting: typeof slices,
  ) {
    const { slices: stacks, count } = await run(worker.slice, { patient, volume, slices: setting });
    const shards = [];
    // Shards that end in the middle of a plane, and go on in the next one.
    for (let from = 0; from < count; from += 7) {
      const to = Math.min(count, from + 7);
      const { embeddings } = await run(worker.encodeShard, { model, slices: stacks, from, to });
      shards.push({ embeddings, from, to });
    }
    return { patient, volume, slices: stacks, shards };
  }

  const encoded = ({ volume, ...patient }: (typeof patients)[0]) => patient;

  before(async () => {
    cacheDir = await mkdtemp(join(tmpdir(), 'samflow-structures-'));
    worker = openWorker(store, cacheDir);
    const spec = await artifacts.putJson('dataset-spec', { source, dataset });
    const downloaded = await run(worker.download, { spec });
    ({ model } = await run(worker.importModel, { checkpoint: SAM_NANO }));
    patients = [];
    for (const [at, { patient, files }] of downloaded.patients.entries()) {
      const { volume } = await run(worker.convert, { patient, files });
      patients.push(await prepare(patient, volume, at === 2 ? { ...slices, minForegroundPixels: 4 } : thin));
    }
  });
  after(() => rm(cacheDir, { recursive: true, force: true }));

  it('are numbered by their label values, whatever order they are written in', async () => {
    assert.deepEqual(structures, [
      { name: 'lungs', label: 1 },
      { name: 'lesions', label: 2 },
    ]);
    for (const { volume } of patients) {
      const { mask } = decodeVolume(await artifacts.get(volume));
      assert.ok(mask!.includes(1) && Math.max(...new Set(mask!)) <= 2);
    }
  });

  it('are sliced in each plane, thinned out for training, with slices without foreground', async () => {
    const stacks = decodeSlices(await artifacts.get(patients[0]!.slices));
    assert.deepEqual(
      stacks.map(({ axis }) => axis),
      ['axial', 'coronal', 'sagittal'],
    );
    let negatives = 0;
    for (const { masks, height, width, index, pixelMm, total } of stacks) {
      const masksOn = Array.from(index, (_, row) => masks!.subarray(row * height * width, (row + 1) * height * width));
      negatives += masksOn.filter((mask) => mask.every((label) => label === 0)).length;
      assert.ok(index.length < total / 3);
      assert.ok(Math.abs(pixelMm[0] - pixelMm[1]) < 0.1, `${pixelMm}`);
    }
    assert.ok(negatives > 0);
  });

  it('are trained together, scored one by one, and come out as one label map on the scan’s own grid', async () => {
    const [train, val, test] = patients as [(typeof patients)[0], (typeof patients)[0], (typeof patients)[0]];
    const tuned = await run(worker.fineTune, {
      model,
      train: [encoded(train)],
      val: [encoded(val)],
      prompts,
      training,
    });
    const asked = { model, weights: tuned.weights, prompts, evaluation, structures, test: [test], val: [val] };
    const evaluated = await run(worker.evaluate, asked);
    const { patients: scored, volumes } = await artifacts.getJson(evaluated.evaluation, Evaluation);
    assert.deepEqual(
      volumes!.summaries.map(({ structure }) => structure),
      ['lungs', 'lesions'],
    );
    const [lungs, lesions] = scored[0]!.structures!.map(({ fineTuned }) => fineTuned);
    assert.ok(lungs!.truthMl > 10 * lesions!.truthMl && lesions!.truthMl > 0);
    assert.ok(Math.abs(evaluated.fineTuned.dice - (lungs!.dice + lesions!.dice) / 2) < 1e-12);
    assert.ok(lungs!.dice > 0.8, `${lungs!.dice}`);
    assert.deepEqual([...new Set(scored[0]!.slices.map(({ axis }) => axis))], ['axial', 'coronal', 'sagittal']);

    const metrics = { zeroShot: evaluated.zeroShot, fineTuned: evaluated.fineTuned };
    const { package: packaged } = await run(worker.package, {
      ...{ name: 'structures', target: 'chest', structures, model, weights: tuned.weights, metrics, slices, prompts },
      ...{ train: [{ patient: train.patient, slices: train.slices }], fingerprint: 'f' },
      ...{ learnedFrom: [train.patient, val.patient], heldOut: [test.patient] },
    });
    const { priors } = await artifacts.getJson(packaged, ModelPackage);
    assert.deepEqual(
      priors.map(({ axis, label }) => `${axis} ${label}`),
      ['axial 1', 'axial 2', 'coronal 1', 'coronal 2', 'sagittal 1', 'sagittal 2'],
    );
    const found = await run(worker.infer, {
      package: packaged,
      patient: test.patient,
      volume: test.volume,
      probability: true,
    });
    assert.deepEqual([found.prompts, found.scores!.length], ['prior', 2]);
    const mask = readNifti(await artifacts.get(found.mask), 'mask.nii.gz');
    const { native } = decodeVolume(await artifacts.get(test.volume));
    assert.deepEqual([[...mask.shape], mask.voxelToWorld], [native.shape, native.voxelToWorld]);
    assert.ok([...new Set(mask.voxels)].every((label) => label <= 2) && found.foregroundVoxels > 0);
    assert.match(Buffer.from(gunzipSync(await artifacts.get(found.mask))).toString('latin1'), /Key="2"[^>]*>lesions</);

    const { report } = await run(worker.report, {
      ...{ title: 's', run: 's-1', target: 'chest', weights: tuned.weights, infer: [found], lineage: [] },
      split: {
        train: [train.patient],
        val: [val.patient],
        test: [test.patient],
        record: tuned.curves,
        reused: false,
        seconds: 0,
      },
      settings: { model: { checkpoint: 'sam-tiny' } },
      ...{ evaluation: evaluated.evaluation, curves: tuned.curves, bestEpoch: tuned.bestEpoch },
      test: [{ patient: test.patient, slices: test.slices }],
    });
    const html = Buffer.from(await artifacts.get(report)).toString();
    for (const { name } of structures) assert.ok(html.includes(name), name);
    assert.match(html, /(axial|coronal|sagittal) slice \d+/);
  });
});
