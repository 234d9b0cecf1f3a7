import type { ObjectStore } from '../../lib/artifacts/store.ts';

/** Lets a store delete so many objects, and no more: as if its process was killed then. Gives a function that lets it go on. */
export function dyingAfter(store: ObjectStore, deletions: number): () => void {
  const deleteMany = store.deleteMany.bind(store);
  let left = deletions;
  store.deleteMany = async (batch) => {
    await deleteMany(batch.slice(0, left));
    if (batch.length > left) throw new Error('killed');
    left -= batch.length;
  };
  return () => {
    store.deleteMany = deleteMany;
  };
}
