import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { readTotals, tierOf } from './run.mjs';

/** What Node's own runner reports of one file with this body. */
function totalsOf(body: string): ReturnType<typeof readTotals> {
  const folder = mkdtempSync(path.join(tmpdir(), 'samflow-run-'));
  try {
    const file = path.join(folder, 'a.test.mjs');
    writeFileSync(file, `import { it } from 'node:test';\n${body}`);
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const run = spawnSync(process.execPath, ['--test', '--test-reporter=tap', file], { encoding: 'utf8', env });
    return readTotals(run.stdout, run.status ?? 1);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('the closing line', () => {
  it('counts tests that pass, fail and are skipped', () => {
    const body = "it('a', () => {}); it('b', () => {}); it('c', { skip: true }, () => {}); it.todo('d');";
    assert.deepEqual(totalsOf(body), { passed: 2, failed: 0, skipped: 2 });
    assert.deepEqual(totalsOf(`${body} it('e', () => { throw new Error('no'); });`), {
      passed: 2,
      failed: 1,
      skipped: 2,
    });
  });

  it('counts a test that is cut off by its time limit as failed', () => {
    const body = "it('a', { timeout: 20 }, () => new Promise((resolve) => setTimeout(resolve, 2000)));";
    assert.equal(totalsOf(body).failed, 1);
  });

  it('counts a file that ends early as failed', () => assert.equal(totalsOf('process.exit(3);').failed, 1));

  it('counts a run that left no totals as one failure', () =>
    assert.deepEqual(readTotals('', 137), { passed: 0, failed: 1, skipped: 0 }));
});

describe('the tier of a test file', () => {
  for (const [file, tier] of [
    ['test/lib/volume/nifti.test.ts', 'pure'],
    ['test/lib/sam/encoder.runtime.test.ts', 'runtime'],
    ['test/workflows/pipeline.service.test.ts', 'service'],
    ['test/lib/runtime/session.test.ts', 'pure'],
  ] as const) {
    it(`of ${file} is ${tier}`, () => assert.equal(tierOf(file), tier));
  }
});
