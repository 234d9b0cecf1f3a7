import { canonicalJson } from './canonical-json.ts';
import { type ObjectStore, PreconditionFailed } from './store.ts';
import type { StoredRun } from './store-content.ts';

/**
 * Takes what is said of some patients out of the records of runs: their volumes, masks, scores and repairs. Who was in which part
 * of the split stays, by pseudonym: what a model has learned from must be known. Gives the number of records that were changed.
 */
export async function strikePatients(
  store: ObjectStore,
  runs: readonly StoredRun[],
  patients: readonly string[],
): Promise<number> {
  const keys = runs.flatMap(({ objects }) => objects.map(({ key }) => key));
  let struck = 0;
  for (const key of keys) if (await strike(store, key, patients)) struck += 1;
  return struck;
}

async function strike(store: ObjectStore, key: string, patients: readonly string[]): Promise<boolean> {
  const object = await store.get(key);
  const before: unknown = object && JSON.parse(Buffer.from(object.bytes).toString('utf8'));
  const after = without(before, patients);
  if (!object || canonicalJson(after) === canonicalJson(before)) return false;
  try {
    await store.put(key, Buffer.from(canonicalJson(after)), { ifMatch: object.etag, contentType: 'application/json' });
    return true;
  } catch (error) {
    if (!(error instanceof PreconditionFailed)) throw error;
    // The run has been run again in between.
    return strike(store, key, patients);
  }
}

function without(value: unknown, patients: readonly string[]): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    return value.filter((member) => !isAbout(member, patients)).map((member) => without(member, patients));
  }
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, without(member, patients)]));
}

/** An entry of a patient, or a sentence that begins with the pseudonym. */
function isAbout(member: unknown, patients: readonly string[]): boolean {
  if (typeof member === 'string') return patients.some((patient) => member.startsWith(`${patient}: `));
  return patients.includes(String((member as { patient?: unknown } | null)?.patient));
}
