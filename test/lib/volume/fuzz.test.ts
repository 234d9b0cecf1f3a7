import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { random } from '../../../lib/dataset/random.ts';
import { Fault } from '../../../lib/fault.ts';
import { parseDicomHeader } from '../../../lib/volume/dicom-header.ts';
import { readNifti } from '../../../lib/volume/nifti.ts';
import { dicomFile } from '../../helpers/dicom-file.ts';
import { readFixture } from '../../helpers/nifti-fixtures.ts';

/** One to four bytes changed, within the first `span`; now and then cut short. */
function mutate(bytes: Uint8Array, span: number, round: number): Uint8Array {
  const mutant = bytes.slice();
  const changes = 1 + Math.floor(4 * random(1, round));
  for (let change = 0; change < changes; change += 1) {
    const at = Math.floor(random(2, round, change) * Math.min(span, bytes.length));
    mutant[at] = Math.floor(256 * random(3, round, change));
  }
  return random(4, round) < 0.1 ? mutant.slice(0, Math.floor(random(5, round) * mutant.length)) : mutant;
}

function survives(read: (bytes: Uint8Array) => unknown, whole: Uint8Array, span: number, rounds: number): number {
  let refused = 0;
  for (let round = 0; round < rounds; round += 1) {
    try {
      read(mutate(whole, span, round));
    } catch (error) {
      assert.ok(error instanceof Fault, `round ${round}: ${error instanceof Error ? error.stack : String(error)}`);
      assert.doesNotMatch(error.message, /\n|undefined|\[object/, `round ${round}`);
      refused += 1;
    }
  }
  return refused;
}

const CASES: [claim: string, read: (bytes: Uint8Array) => unknown, whole: Uint8Array, span: number][] = [
  ['NIfTI-1', (bytes) => readNifti(bytes, 'a'), readFixture('int16.nii'), 352],
  ['big-endian NIfTI-1', (bytes) => readNifti(bytes, 'a'), readFixture('bigendian_int16.nii'), 352],
  [
    'NIfTI-1 by qform',
    (bytes) => readNifti(bytes, 'a'),
    new Uint8Array(gunzipSync(readFixture('qform_only.nii.gz'))),
    352,
  ],
  ['NIfTI-2', (bytes) => readNifti(bytes, 'a'), new Uint8Array(gunzipSync(readFixture('nifti2_int16.nii.gz'))), 544],
  ['gzipped NIfTI-1', (bytes) => readNifti(bytes, 'a'), readFixture('int16.nii.gz'), 2000],
  ['NIfTI-1 changed, then gzipped', (bytes) => readNifti(gzipSync(bytes), 'a'), readFixture('int16.nii'), 352],
  ['DICOM', (bytes) => parseDicomHeader(bytes, 'a'), dicomFile({ seriesUid: '1.2' }), 2000],
];

for (const [claim, read, whole, span] of CASES) {
  test(`a damaged ${claim} file is read or refused with a fault, never anything else`, () => {
    const refused = survives(read, whole, span, 1500);
    assert.ok(refused > 50 && refused < 1500, `${refused} refused`);
  });
}
