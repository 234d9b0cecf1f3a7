import { Deletion } from '../../contracts/deletion.ts';
import { canonicalJson } from './canonical-json.ts';
import { DELETIONS, sha256Hex } from './keys.ts';
import { inParallel } from './manifests.ts';
import { readPointer, writePointer } from './pointer.ts';
import type { ObjectStore } from './store.ts';

/** What a deletion is of. */
export type Subject = Pick<Deletion, 'runs' | 'patient'>;

export interface StoredDeletion {
  readonly key: string;
  readonly etag: string;
  readonly value: Deletion;
}

/** All deletions, the oldest first. @throws Fault POINTER_UNREADABLE */
export async function readDeletions(store: ObjectStore): Promise<StoredDeletion[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(DELETIONS)) keys.push(key);
  const read = await inParallel(keys, async (key) => {
    const pointer = await readPointer<Deletion>(store, key, Deletion);
    return pointer ? [{ key, ...pointer }] : [];
  });
  return read.flat();
}

/** Those of the same patient, or of the same runs. */
export const deletionsOf = (deletions: readonly StoredDeletion[], { runs, patient }: Subject): StoredDeletion[] =>
  deletions.filter(
    ({ value }) => value.patient === patient && (patient !== null || value.runs.join(' ') === runs.join(' ')),
  );

/** What deletions that were interrupted had still to do. */
export function leftBy(deletions: readonly StoredDeletion[]): Deletion['pending'] & { runs: string[] } {
  const begun = deletions.flatMap(({ value }) => (value.state === 'begun' ? [value] : []));
  return {
    taken: begun.flatMap(({ pending }) => pending.taken),
    released: begun.flatMap(({ pending }) => pending.released),
    runs: begun.flatMap(({ runs }) => runs),
  };
}

export async function beginDeletion(
  store: ObjectStore,
  deletion: Omit<Deletion, 'state' | 'time'>,
  now = new Date(),
): Promise<StoredDeletion> {
  const value: Deletion = { ...deletion, time: now.toISOString(), state: 'begun' };
  const hex = sha256Hex(canonicalJson(value)).slice(0, 12);
  const key = `${DELETIONS}${value.time.replaceAll(':', '-')}-${hex}.json`;
  const { etag } = await writePointer(store, key, value, null);
  return { key, etag, value };
}

/** Nothing is left of it, and so nothing of its list. */
export async function endDeletion(store: ObjectStore, { key, etag, value }: StoredDeletion): Promise<void> {
  await writePointer(
    store,
    key,
    { ...value, state: 'done', pending: { taken: [], released: [] } } satisfies Deletion,
    etag,
  );
}
