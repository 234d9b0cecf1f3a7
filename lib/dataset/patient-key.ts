import { createHmac } from 'node:crypto';
import { Fault } from '../fault.ts';

/** Shorter secrets could be tried out one by one. */
const MIN_SECRET_CHARACTERS = 8;

/**
 * A patient's pseudonym: `p-` and the first 12 hex digits (48 bits) of HMAC-SHA-256(secret, id).
 *
 * A bare hash of a record number can be undone by hashing all record numbers; a keyed one cannot without the secret, and
 * two secrets give keys that nobody can link. The chance of two equal keys among a million patients is 0.2 %, so callers
 * that gather patients check that keys differ (`uniquePatientKeys`).
 */
export function patientKey(secret: string, id: string): string {
  if (secret.length < MIN_SECRET_CHARACTERS) {
    throw new Fault('PATIENT_KEY_SECRET', {
      at: 'patient key secret',
      found: `${secret.length} characters`,
      expected: `at least ${MIN_SECRET_CHARACTERS}`,
      fix: 'Set a longer secret',
    });
  }
  return `p-${createHmac('sha256', secret).update(id, 'utf8').digest('hex').slice(0, 12)}`;
}

/** Keys of all ids, in order; refuses two ids that share a key. */
export function uniquePatientKeys(secret: string, ids: readonly string[]): string[] {
  const keys = ids.map((id) => patientKey(secret, id));
  if (new Set(keys).size < keys.length) {
    throw new Fault('PATIENT_KEY_CLASH', {
      at: 'dataset',
      found: 'two patients with one key',
      expected: 'a key for each patient',
      fix: 'Give each patient its own id, or change the secret',
    });
  }
  return keys;
}
