import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Session } from '../../lib/runtime/session.ts';
import { float32 } from '../../lib/runtime/tensor.ts';
import { decodeSafetensors } from '../../lib/safetensors.ts';
import { readSamModel } from '../../lib/sam/model.ts';
import { readNifti } from '../../lib/volume/nifti.ts';
import { scratchFolder } from '../helpers/archives.ts';
import { type Finished, Home, lastJson } from '../helpers/cli.ts';
import { cutAfter, type Hub, startHub } from '../helpers/hub.ts';
import { tinyModelFiles } from '../helpers/model-folder.ts';

/** From a private model of the hub to files for others: a run, and `samflow export` of what it made. */

const CONFIG = 'examples/phantom.yaml';
const COMMIT = 'c0ffee'.padEnd(40, '0');
const TOKEN = 'hf_aSecretThatNobodyMayFind';
const SETTINGS = ['--set', 'model.checkpoint=hf:medical/sam-tiny', '--set', 'source.patients=3'];
const files = tinyModelFiles();
let home: Home;
let hub: Hub;
let ended: Finished;
let run: string;
const folder = await scratchFolder();

before(async () => {
  home = await Home.make();
  hub = await startHub({
    'medical/sam-tiny': { refs: { main: COMMIT }, commits: { [COMMIT]: files }, tokens: [TOKEN] },
  });
  hub.troubles.storage = [cutAfter(files['model.safetensors']!, 250_000)];
  Object.assign(home.env, { HF_ENDPOINT: hub.url, HF_TOKEN: TOKEN });
  ended = await home.run('run', CONFIG, ...SETTINGS, '--set', 'training.epochs=2', '--keep', '--json');
  assert.equal(ended.code, 0, ended.stderr);
  run = lastJson(ended).run;
});
after(() => home.remove());

describe('a run from a private model of the hub', () => {
  it('goes on with a download that was cut', () =>
    assert.deepEqual(
      hub.requests.flatMap(({ server, range }) => (server === 'storage' ? [range] : [])),
      [undefined, 'bytes=250000-'],
    ));

  it('says in its report which commit it started from', async () =>
    assert.match(await readFile(lastJson(ended).report, 'utf8'), new RegExp(`hf:medical/sam-tiny@${COMMIT}`)));
});

describe('samflow export', () => {
  it('writes a Hugging Face folder that is read as a model: the base’s encoder, another decoder', async () => {
    const out = join(folder, 'hf');
    const exported = await home.run('export', run, '--format', 'hf', '--out', out, '--json');
    assert.equal(exported.code, 0, exported.stderr);
    const json = lastJson(exported);
    assert.deepEqual([json.run, json.format, json.out], [run, 'hf', out]);
    const names = ['README.md', 'config.json', 'model.safetensors', 'preprocessor_config.json'];
    assert.deepEqual((await readdir(out)).sort(), names);
    assert.deepEqual(
      json.files.map(({ path }: { path: string }) => path).sort(),
      names.map((name) => join(out, name)),
    );
    const text = (name: string) => readFile(join(out, name), 'utf8');
    const read = readSamModel({
      config: JSON.parse(await text('config.json')),
      preprocessor: JSON.parse(await text('preprocessor_config.json')),
      tensors: decodeSafetensors(await readFile(join(out, 'model.safetensors'))).tensors,
    });
    const { tensors: base } = decodeSafetensors(files['model.safetensors']!);
    const sameAsBase = (name: string) =>
      Buffer.from(read.tensors.get(name)!.buffer).includes(Buffer.from(base.get(name)!.data));
    assert.ok(sameAsBase('vision_encoder.patch_embed.projection.weight'));
    assert.ok(!sameAsBase('mask_decoder.mask_tokens.weight'));
    const card = await text('README.md');
    for (const word of [run, `hf:medical/sam-tiny@${COMMIT}`, lastJson(ended).metrics.fineTuned.dice.toFixed(4)]) {
      assert.ok(card.includes(word), word);
    }
    assert.doesNotMatch(card, /p-[0-9a-f]{12}/);
  });

  it('writes a model that the next run can start from', async () => {
    const settings = ['--set', `model.checkpoint=${join(folder, 'hf')}`, '--set', 'source.patients=3'];
    const next = await home.run('run', CONFIG, ...settings, '--set', 'training.epochs=1', '--json');
    assert.equal(next.code, 0, next.stderr);
    const [before, after] = [lastJson(ended).metrics.fineTuned.dice, lastJson(next).metrics.zeroShot.dice];
    assert.ok(Math.abs(before - after) < 1e-6, `${after} is not what the exported model had: ${before}`);
  });

  it('writes a decoder that ONNX Runtime runs for any number of boxes', async () => {
    const out = join(folder, 'onnx');
    const exported = await home.run('export', run, '--format', 'onnx', '--out', out);
    assert.equal(exported.code, 0, exported.stderr);
    assert.match(exported.stdout, /decoder\.onnx {2}\d+ bytes/);
    const session = await Session.open(await readFile(join(out, 'decoder.onnx')), { threads: 1 });
    const image = float32(new Float32Array(32 * 8 * 8).fill(0.1), [1, 32, 8, 8]);
    for (const count of [1, 4]) {
      const boxes = float32(new Float32Array(4 * count).fill(30), [1, count, 4]);
      const { masks, iou_scores: scores } = await session.run({ image_embeddings: image, boxes });
      assert.deepEqual(
        [masks!.shape, scores!.shape],
        [
          [1, count, 1, 32, 32],
          [1, count, 1],
        ],
      );
    }
    await session.close();
  });

  it('writes the slices by part of the split, each as a NIfTI file with its mask', async () => {
    const out = join(folder, 'slices');
    const exported = await home.run('export', run, '--slices', out, '--json');
    assert.equal(exported.code, 0, exported.stderr);
    const { slices } = lastJson(exported);
    for (const part of ['train', 'val', 'test']) {
      const names = await readdir(join(out, part, 'images'));
      assert.ok(names.length > 10 && names.length === slices[part], `${part}: ${names.length} files`);
      assert.ok(names.every((name) => /^p-[0-9a-f]+_axial_\d{4}\.nii\.gz$/.test(name)));
      assert.deepEqual(await readdir(join(out, part, 'masks')), names);
      const [image, mask] = await Promise.all(
        ['images', 'masks'].map(async (kind) => readNifti(await readFile(join(out, part, kind, names[0]!)), kind)),
      );
      assert.deepEqual([image!.shape, image!.voxelToWorld], [mask!.shape, mask!.voxelToWorld]);
      assert.ok(mask!.voxels.some((label) => label === 1));
    }
  });

  it('refuses in one sentence, with exit code 2, what it cannot do', async () => {
    const open = lastJson(
      await home.run(
        'run',
        CONFIG,
        ...SETTINGS,
        '--set',
        'training.epochs=3000',
        '--set',
        'training.patience=0',
        '--detach',
        '--json',
      ),
    ).run;
    const REFUSED: [args: string[], message: RegExp][] = [
      [['nobody', '--format', 'hf', '--out', folder], /nobody: found no such run.*\[RUN_UNKNOWN\]/],
      [[open, '--format', 'hf', '--out', folder], /found a run that has not ended well.*\[RUN_UNFINISHED\]/],
      [[run, '--format', 'pickle', '--out', folder], /argument 'pickle' is invalid. Allowed choices are hf, onnx/],
      [[run, '--format', 'hf'], /found --format alone, expected --format with --out, or --slices.*\[USAGE\]/],
      [[run], /found nothing to write.*\[USAGE\]/],
      [[run, '--slices', join(folder, 'onnx/decoder.onnx')], /--slices .*found EEXIST.*\[USAGE\]/],
      [[run, '--format', 'hf', '--out', join(folder, 'onnx/decoder.onnx')], /--out .*found EEXIST.*\[USAGE\]/],
    ];
    for (const [args, message] of REFUSED) {
      const refused = await home.run('export', ...args);
      assert.equal(refused.code, 2, refused.stderr);
      assert.match(refused.stderr, message);
      assert.doesNotMatch(refused.stderr, /\n {4}at /);
    }
    await home.run('cancel', open);
  });
});

describe('the token of the hub', () => {
  it('is in no file of the installation: not in a history, a log, an object of the store or the cache', async () => {
    const seen: string[] = [];
    for (const name of await readdir(home.dir, { recursive: true })) {
      const path = join(home.dir, name);
      if (!(await stat(path).catch(() => null))?.isFile()) continue;
      seen.push(name);
      assert.ok(!(await readFile(path)).includes(TOKEN), name);
    }
    for (const part of [/\.db/, /logs.worker-io/, /s3/])
      assert.ok(
        seen.some((name) => part.test(name)),
        `${part}: ${seen}`,
      );
  });
});
