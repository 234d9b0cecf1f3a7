import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkParity } from '../../../bench/parity-checks.ts';

const FOLDER = fileURLToPath(new URL('../../fixtures/sam-tiny', import.meta.url));

test('outputs, gradients, losses and weights agree with the reference implementation on sam-tiny', async () => {
  const rows = await checkParity(FOLDER);
  assert.ok(rows.length >= 28, `only ${rows.length} quantities were compared`);
  for (const { output, difference, tolerance } of rows) {
    assert.ok(difference <= tolerance, `${output}: ${difference.toExponential(2)} over ${tolerance}`);
  }
});

test('a folder without reference values is refused by name', async () => {
  await assert.rejects(checkParity('/nonexistent'), { code: 'PARITY_FILE_MISSING' });
});
