import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { BenchRow } from '../../bench/row.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

test('npm run bench -- engine measures our side where there is no Python, and says what is missing', () => {
  const { status, stdout, stderr } = spawnSync(
    'npm',
    ['run', '-s', 'bench', '--', 'engine/resize', 'engine/epochs', '--json'],
    { cwd: ROOT, encoding: 'utf8', env: { ...process.env, SAMFLOW_PYTHON: 'no-such-python' } },
  );
  assert.equal(status, 1, stderr);
  const [resize, epochs, ...others] = JSON.parse(stdout) as (BenchRow & { ok: boolean })[];
  assert.deepEqual(others, []);
  assert.equal(resize!.value, null);
  assert.equal(resize!.ok, false);
  assert.equal(resize!.sides!.reference, null);
  assert.ok(resize!.sides!.ours!.median > 0 && resize!.sides!.repeats >= 7);
  assert.match(resize!.note!, /no-such-python.*ENOENT.*pip install -r bench\/reference\/requirements\.txt/);
  assert.match(resize!.note!, /other processes took \d+ % of the machine; load \d+\.\d before, load \d+\.\d after/);
  assert.equal(epochs!.value, null);
  assert.match(epochs!.note!, /needs the rows step and encode/);
});
