import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const bench = (...args: string[]) =>
  spawnSync('npm', ['run', '-s', 'bench', '--', ...args], { cwd: ROOT, encoding: 'utf8' });

test('npm run bench measures the demo: time with an empty and a full store, and the memory of the workers', () => {
  const { status, stdout, stderr } = bench('demo', '--json');
  assert.ok(status === 0 || status === 1, stderr);
  const rows = JSON.parse(stdout) as { what: string; value: number; ok: boolean }[];
  assert.equal(rows.length, 3);
  for (const { what, value } of rows) assert.ok(value > 0, what);
  const [cold, warm, memory] = rows;
  assert.ok(warm!.value < cold!.value * 60, 'a second demo is not quicker');
  // Time depends on what else the machine does; memory does not.
  assert.ok(memory!.ok, `a worker took ${memory!.value} GiB`);
});

test('a wrong call exits 2 with the usage', () => {
  const { status, stderr } = bench('nothing');
  assert.equal(status, 2);
  assert.match(stderr, /usage: npm run bench/);
});
