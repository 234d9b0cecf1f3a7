import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { patientKey, uniquePatientKeys } from '../../../lib/dataset/patient-key.ts';
import { assertFault } from '../../helpers/faults.ts';

const SECRET = 'a secret of this test';

test('a key is p- and the first 12 hex digits of the HMAC', () => {
  const hmac = createHmac('sha256', SECRET).update('MRN 12345').digest('hex');
  assert.equal(patientKey(SECRET, 'MRN 12345'), `p-${hmac.slice(0, 12)}`);
});

test('another secret gives keys that nobody can link', () => {
  assert.notEqual(patientKey(SECRET, '1'), patientKey(`${SECRET}!`, '1'));
});

test('a short secret is refused, without being shown', () => {
  assertFault(() => patientKey('hunter2', '1'), 'PATIENT_KEY_SECRET', /^(?!.*hunter2).*7 characters/);
});

test('keys keep the order of their ids, and an id that stands twice is refused', () => {
  assert.deepEqual(uniquePatientKeys(SECRET, ['b', 'a']), [patientKey(SECRET, 'b'), patientKey(SECRET, 'a')]);
  assertFault(() => uniquePatientKeys(SECRET, ['a', 'b', 'a']), 'PATIENT_KEY_CLASH');
});
