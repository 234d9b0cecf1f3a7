import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeSafetensors } from '../../lib/safetensors.ts';
import { readSamModel } from '../../lib/sam/model.ts';
import { proceduralImage } from '../../models/procedural-images.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const NANO = join(ROOT, 'models/sam-nano');
const scratch = mkdtempSync(join(tmpdir(), 'samflow-pretrain-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

function checkpoint(folder: string) {
  const json = (name: string) => JSON.parse(readFileSync(join(NANO, name), 'utf8')) as unknown;
  const { tensors } = decodeSafetensors(readFileSync(join(folder, 'model.safetensors')));
  return readSamModel({ config: json('config.json'), preprocessor: json('preprocessor_config.json'), tensors });
}

test('sam-nano is a complete SamModel of at most 8 MB, and its card gives a zero-shot Dice of at least 0.8', () => {
  assert.ok(statSync(join(NANO, 'model.safetensors')).size <= 8_000_000);
  assert.equal(checkpoint(NANO).config.imageSize, 256);
  const dice = /zero-shot Dice.*\| (0\.\d+) \|/.exec(readFileSync(join(NANO, 'README.md'), 'utf8'));
  assert.ok(Number(dice?.[1]) >= 0.8, `the card says ${dice?.[1]}`);
});

test('npm run pretrain gives the same bytes for the same seed, and others for another', () => {
  const train = (name: string, seed: string) => {
    const out = join(scratch, name);
    const run = spawnSync(
      'npm',
      ['run', '-s', 'pretrain', '--', '--steps', '3', '--held-out', '8', '--seed', seed, '--out', out],
      {
        cwd: ROOT,
        encoding: 'utf8',
      },
    );
    assert.equal(run.status, 0, run.stderr);
    assert.match(run.stdout, /held-out Dice 0\.\d{4}/);
    return out;
  };
  const [first, again, other] = [train('first', '1'), train('again', '1'), train('other', '2')];
  const bytes = (folder: string) => readFileSync(join(folder, 'model.safetensors'));
  assert.ok(bytes(first).equals(bytes(again)));
  assert.ok(!bytes(first).equals(bytes(other)));
  checkpoint(first);
});

test('a procedural image depends on its seed and number alone, and its masks do not overlap', () => {
  const image = proceduralImage(5, 42, 128);
  assert.deepEqual(proceduralImage(5, 42, 128), image);
  assert.notDeepEqual(proceduralImage(5, 43, 128).pixels, image.pixels);
  const owners = image.pixels.map((_, at) => image.masks.reduce((count, mask) => count + mask[at]!, 0));
  assert.ok(Math.max(...owners) <= 1);
});
