import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tasks } from '../../activities/tasks.ts';
import { readConfig } from '../../cli/config/read-config.ts';
import { pairPatients } from '../../lib/dataset/pairing.ts';
import { openSource } from '../../lib/dataset/sources/open.ts';
import { SPLIT_PARTS, splitPatients } from '../../lib/dataset/split.ts';
import { Home, lastJson } from '../helpers/cli.ts';
import { sharedPath, withoutShared } from '../helpers/shared-data.ts';

const example = (name: string): string => fileURLToPath(new URL(`../../examples/${name}.yaml`, import.meta.url));

/** Patients, slices and boxes of each part as the stages make them: by the very tasks that activities call. */
async function byStages(file: string, cacheDir: string) {
  const { source, dataset, split, slices, prompts } = await readConfig(file);
  const listing = await openSource(source, { cacheDir });
  const counts = new Map<string, { slices: number; boxes: number }>();
  const candidates = [];
  for (const { id, image, mask, labels, split: part } of pairPatients(listing.files, dataset)) {
    const read = async (path: string) => ({ name: path.split('/').at(-1)!, bytes: await listing.read(path) });
    const files = { image: await Promise.all(image.map(read)), mask: await read(mask), labels };
    const { bytes: volume, voxels, labelsPresent } = await tasks.convert(files);
    candidates.push({ patient: id, digest: voxels, labels: labelsPresent, split: part });
    const { bytes, count } = tasks.slice({ volume, setting: slices });
    const boxes = tasks.objects({ slices: bytes, setting: prompts }).objects.flat().length;
    counts.set(id, { slices: count, boxes });
  }
  await listing.close();
  const parts = splitPatients(candidates, split);
  const partOf = (part: (typeof SPLIT_PARTS)[number]) => {
    const own = parts[part].map((id) => counts.get(id)!);
    const total = (of: 'slices' | 'boxes') => own.reduce((sum, count) => sum + count[of], 0);
    return { patients: parts[part], slices: total('slices'), boxes: total('boxes') };
  };
  return Object.fromEntries(SPLIT_PARTS.map((part) => [part, partOf(part)]));
}

describe('samflow plan', () => {
  let home: Home;
  before(async () => {
    home = await Home.make();
  });
  after(() => rm(home.dir, { recursive: true }));

  it('counts on the phantom what the stages make, and measures the rest', async () => {
    const done = await home.run('plan', example('phantom'), '--json');
    assert.equal(done.code, 0, done.stderr);
    const plan = lastJson(done);
    const stages = await byStages(example('phantom'), join(home.dir, 'cache'));
    assert.deepEqual(plan.split, stages);
    const slices = Object.values(stages).reduce((sum, part) => sum + part.slices, 0);
    assert.equal(plan.encodeSlices, slices);
    assert.ok(Math.abs(plan.embeddingsGiB - (slices * 64 * 16 * 16 * 2) / 2 ** 30) < 1e-6);
    assert.equal(plan.trainSteps, 20 * Math.ceil(stages.train!.boxes / 8));
    for (const key of ['encodeSecondsPerSlice', 'trainSecondsPerStep', 'trainSeconds', 'memoryGiB', 'diskGiB']) {
      assert.ok(plan[key] > 0 && plan[key] < 1000, `${key}: ${plan[key]}`);
    }
    // Nothing was started: the home has the phantom and no server.
    assert.deepEqual(await readdir(home.dir), ['cache']);
  });

  it('splits as `inspect` says', async () => {
    const [archive] = await readdir(join(home.dir, 'cache/phantom'));
    const inspected = lastJson(
      await home.run('inspect', join(home.dir, 'cache/phantom', archive!), '--config', example('phantom'), '--json'),
    );
    const stages = await byStages(example('phantom'), join(home.dir, 'cache'));
    assert.deepEqual(inspected.split, Object.fromEntries(SPLIT_PARTS.map((part) => [part, stages[part]!.patients])));
  });

  it('measures what a checkpoint of the hub will need, without fetching it', async () => {
    const hub = ['--set', 'model.checkpoint=hf:facebook/sam-vit-base', '--set', 'model.inputSize=256'];
    const { code, stdout, stderr } = await home.run('plan', example('phantom'), ...hub);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /│ embeddings +│ \d+ MiB +│ 256 x 16 x 16, 0\.1 MiB a slice/);
    assert.match(stdout, /│ encode +│ \d[^│]+│ \d+ slices, [\d.]+ s a slice/);
    assert.match(
      stdout,
      /The checkpoint is not on this machine: what was measured has its shape and made-up weights\./,
    );
  });

  it('says that times are unknown where nothing is known of a checkpoint', async () => {
    const { code, stdout } = await home.run(
      'plan',
      example('phantom'),
      '--set',
      'model.checkpoint=hf:someone/something',
    );
    assert.equal(code, 0);
    assert.match(stdout, /Times are unknown: hf:someone\/something is not on this machine\./);
  });

  it('downloads nothing, and says what one slice and one step take', async () => {
    const file = join(home.dir, 'remote.yaml');
    // Nobody listens on the discard port: a plan that asked there would fail.
    const source = 'source: { kind: http, url: "http://127.0.0.1:9/data.zip" }';
    const dataset = 'dataset: { target: a, pattern: { image: "IMG_{patient}.nii", mask: "MASK_{patient}.nii" } }';
    await writeFile(file, `name: remote\n${source}\n${dataset}\n`);
    const done = await home.run('plan', file, '--json', '--set', 'model.checkpoint=./test/fixtures/sam-tiny');
    assert.equal(done.code, 0, done.stderr);
    const plan = lastJson(done);
    assert.ok(plan.encodeSecondsPerSlice > 0 && plan.trainSecondsPerStep > 0);
    assert.deepEqual([plan.split, plan.encodeSeconds, plan.trainSeconds, plan.diskGiB], [null, null, null, null]);
    assert.ok(plan.notes.some((note: string) => note.startsWith('The data are not here')));
  });

  it('measures nothing on a device that is not here, and says why', async () => {
    const done = await home.run('plan', example('phantom'), '--json', '--set', 'device=cuda:15');
    const plan = lastJson(done);
    assert.deepEqual([done.code, plan.trainSecondsPerStep, plan.split.train.slices > 0], [0, null, true]);
    assert.match(plan.notes[0], /^Times are unknown: cuda:15, which does not work here/);
  });

  for (const [claim, settings] of [
    ['a source that is not there', ['source={ kind: local, path: nowhere }']],
    ['a setting that is wrong', ['training.epochs=0']],
  ] as const) {
    it(`refuses ${claim} as \`run\` does`, async () => {
      const args = [example('phantom'), ...settings.flatMap((setting) => ['--set', setting])];
      const [plan, run] = await Promise.all([home.run('plan', ...args), home.run('run', ...args)]);
      assert.deepEqual(plan, run);
      assert.deepEqual([plan.code, plan.stdout], [2, '']);
    });
  }

  it('refuses data of which no split can be made', async () => {
    const { code, stdout, stderr } = await home.run('plan', example('phantom'), '--set', 'split.val=4');
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /\[SPLIT_TOO_FEW_PATIENTS\]/);
  });

  it('keeps the split that a configuration names', { skip: withoutShared('data') }, async () => {
    const done = await home.run('plan', example('aorta'), '--json', '--set', `source.path=${sharedPath('data')}`);
    assert.equal(done.code, 0, done.stderr);
    const { split } = lastJson(done);
    assert.deepEqual(
      SPLIT_PARTS.map((part) => split[part].patients),
      [['ct-thorax'], ['ct-dicom'], ['ct-abdomen']],
    );
    assert.ok(split.train.slices > 100 && split.test.boxes > 0);
  });
});
