import { Live } from './live.ts';
import { artifactRefsIn } from './manifest.ts';
import { inParallel } from './manifests.ts';
import { readJson } from './read-json.ts';
import type { ListedObject, ObjectStore } from './store.ts';
import { CHAIN, type StoreContent } from './store-content.ts';

/** What is not in the store and points into it: open workflows and schedules. */
export type OutsideRoots = readonly unknown[];

/** An object to delete, and what it is: `run`, `result` of a stage, `training step`, `model`, or the kind of an artifact. */
export interface Doomed {
  readonly key: string;
  readonly bytes: number;
  readonly kind: string;
}

export interface DoomPlan {
  /** In the order in which they go: what names others first, so that nothing ever names what is gone. */
  readonly doomed: readonly Doomed[];
  /** The results and the records of runs that were there when the plan was made: see `seenIn`. */
  readonly seen: ReadonlySet<string>;
}

export const seenIn = ({ manifests, runs }: StoreContent): ReadonlySet<string> =>
  new Set([
    ...manifests.map(({ object }) => versionOf(object)),
    ...runs.flatMap(({ objects }) => objects.map(({ key }) => key)),
  ]);

const versionOf = ({ key, etag }: ListedObject): string => `${key} ${etag}`;

/** Objects deleted in one go: between two, a command that is told to stop stops. */
const BATCH = 1000;

/**
 * Deletes what a plan says, what names others first. Killed in the middle it leaves objects that nothing names: the next plan
 * finds them. Before artifacts go it looks again at what has come since: `rootsNow`, and results that name them anew.
 */
export async function collect(
  store: ObjectStore,
  { doomed, seen }: DoomPlan,
  rootsNow: () => Promise<OutsideRoots>,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (done: number) => void } = {},
): Promise<Doomed[]> {
  const isArtifact = ({ key }: Doomed): boolean => key.startsWith('cas/');
  const deleted: Doomed[] = [];
  const remove = async (items: readonly Doomed[]): Promise<void> => {
    for (let from = 0; from < items.length; from += BATCH) {
      signal?.throwIfAborted();
      const batch = items.slice(from, from + BATCH);
      await store.deleteMany(batch.map(({ key }) => key));
      deleted.push(...batch);
      onProgress?.(deleted.length);
    }
  };
  await remove(doomed.filter((item) => !isArtifact(item)));
  const live = new Live(store);
  await live.add(await rootsNow());
  await live.add(await writtenSince(store, seen));
  await remove(doomed.filter((item) => isArtifact(item) && !live.hasKey(item.key)));
  return deleted;
}

/** Results and records of runs that have come since. A run that has only been run again is known by its older record. */
async function writtenSince(store: ObjectStore, seen: ReadonlySet<string>): Promise<unknown[]> {
  const keys: string[] = [];
  for await (const object of store.list('memo/')) if (!seen.has(versionOf(object))) keys.push(object.key);
  for await (const { key } of store.list('runs/')) if (!seen.has(key) && !CHAIN.test(key)) keys.push(key);
  return inParallel(keys, (key) => readJson(store, key));
}

/** Every `run` that a registry entry names, at any depth. */
export function runsIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) =>
    name === 'run' && typeof member === 'string' ? [member] : runsIn(member),
  );
}

/** Kinds of the artifacts that results, runs and checkpoints name, by key. */
export function kindsIn({ manifests, chains, runs }: StoreContent): Map<string, string> {
  const refs = artifactRefsIn([
    manifests.map(({ manifest }) => manifest),
    chains.map(({ steps }) => steps.map(({ step }) => step)),
    runs.map(({ values }) => values),
  ]);
  return new Map(refs.map(({ key, kind }) => [key, kind]));
}
