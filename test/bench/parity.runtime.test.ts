import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FIXTURE = join(ROOT, 'test/fixtures/sam-tiny');
const scratch = mkdtempSync(join(tmpdir(), 'samflow-parity-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

function parity(...args: string[]) {
  return spawnSync('npm', ['run', '-s', 'parity', '--', ...args], { cwd: ROOT, encoding: 'utf8' });
}

test('npm run parity prints a table and exits 0 where everything agrees', () => {
  const { status, stdout } = parity(FIXTURE);
  assert.equal(status, 0, stdout);
  assert.match(stdout, /adamw_clip: losses of 40 steps/);
  assert.doesNotMatch(stdout, /FALLS SHORT/);
});

test('npm run parity holds a model of full size, whose weights are a formula', () => {
  const { status, stdout } = parity(join(ROOT, 'test/fixtures/sam-base'));
  assert.equal(status, 0, stdout);
  for (const row of ['image_embeddings', 'boxes3.single.pred_masks', 'adam: losses of 5 steps']) {
    assert.ok(stdout.includes(row), row);
  }
});

test('with --json stdout is one JSON object, and a value that differs exits 1 and is named', () => {
  const folder = join(scratch, 'altered');
  cpSync(FIXTURE, folder, { recursive: true });
  const file = join(folder, 'trajectory.json');
  const trajectory = JSON.parse(readFileSync(file, 'utf8')) as Record<string, { losses: number[] }>;
  trajectory['adam.f64']!.losses[20]! += 2e-4;
  writeFileSync(file, JSON.stringify(trajectory));
  const { status, stdout } = parity(folder, '--json');
  assert.equal(status, 1);
  const { ok, rows } = JSON.parse(stdout) as { ok: boolean; rows: { output: string; ok: boolean }[] };
  assert.equal(ok, false);
  assert.deepEqual(
    rows.filter((row) => !row.ok).map((row) => row.output),
    ['adam: losses of 40 steps'],
  );
});

test('a wrong call exits 2 with one sentence and no stack trace', () => {
  for (const args of [[], [join(scratch, 'nowhere')]]) {
    const { status, stdout, stderr } = parity(...args);
    assert.equal(status, 2);
    assert.equal(stdout, '');
    assert.doesNotMatch(stderr, /\n\s+at /);
  }
});
