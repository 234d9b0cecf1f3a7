import type { DiskCache } from '../lib/artifacts/disk-cache.ts';
import { casKey } from '../lib/artifacts/keys.ts';
import type { ObjectStore } from '../lib/artifacts/store.ts';

/** Not at once: where the bucket has yet to be made, everything would count as gone. */
const FIRST_MS = 60_000;
/** So long a copy may outlive what was deleted from the store. */
const EVERY_MS = 900_000;

/** Has a cache forget what its store no longer has, now and then, until the function that comes back is called. */
export function forgetWithStore(cache: Pick<DiskCache, 'forget'>, store: Pick<ObjectStore, 'head'>): () => void {
  let timer: NodeJS.Timeout;
  const wait = (ms: number): void => {
    timer = setTimeout(look, ms).unref();
  };
  let isOver = false;
  const look = async (): Promise<void> => {
    await cache.forget(async (sha256) => (await store.head(casKey(sha256))) === null);
    if (!isOver) wait(EVERY_MS);
  };
  wait(FIRST_MS);
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}
