import assert from 'node:assert/strict';
import type { VolumeFacts } from '../../lib/volume/inspect.ts';
import type { Golden } from './nifti-fixtures.ts';

/** Every figure of `samflow inspect --json` that volumes.json names, against nibabel's; affines are rounded there to six decimals. */
export function assertFactsAgree(facts: VolumeFacts, golden: Golden): void {
  const { shape, dtype, zooms, axcodes, ras } = facts;
  assert.deepEqual({ shape, dtype, zooms, axcodes }, pick(golden));
  assertNear('affine', facts.affine.flat(), golden.affine.flat());
  for (const figure of ['min', 'max', 'mean'] as const) assertNear(figure, [facts[figure]], [golden[figure]]);
  assert.deepEqual(ras.shape, golden.ras.shape);
  assertNear('canonical affine', ras.affine.flat(), golden.ras.affine.flat());
  assert.equal(ras.sha256_f32_fortran, golden.ras.sha256_f32_fortran);
}

const pick = ({ shape, dtype, zooms, axcodes }: Golden) => ({ shape, dtype, zooms, axcodes });

function assertNear(what: string, found: readonly number[], expected: readonly number[]): void {
  assert.equal(found.length, expected.length, what);
  found.forEach((value, at) => {
    const allowed = 6e-7 + 1e-9 * Math.abs(expected[at]!);
    assert.ok(Math.abs(value - expected[at]!) <= allowed, `${what} ${at}: ${value}, not ${expected[at]}`);
  });
}
