import type { ArtifactRef } from '../../contracts/artifact.ts';
import type { RunLineage } from '../../contracts/lineage.ts';
import { artifactRefsIn, type Manifest, readManifest } from './manifest.ts';
import type { ObjectStore } from './store.ts';

/** How many small objects are read at a time. */
const AT_ONCE = 16;

/** Maps in order, some at a time. */
export async function inParallel<T, R>(items: readonly T[], map: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(from, from + AT_ONCE).map(map))));
  }
  return results;
}

/** Manifests by their keys; those that are gone or of another version are not there. */
export async function readManifests(store: ObjectStore, keys: readonly string[]): Promise<Map<string, Manifest>> {
  const found = await inParallel(keys, async (key) => {
    const object = await store.get(key);
    return [key, object && readManifest(object.bytes, key)] as const;
  });
  return new Map(found.filter((entry): entry is [string, Manifest] => entry[1] !== null));
}

/** Where an input comes from. */
export interface Origin {
  readonly stage: string;
  readonly kind: string;
  readonly patient: string | undefined;
}

/** By SHA-256: what a run's stages made, and what it was started with. */
export function originsOf({ input, uses }: RunLineage, manifests: ReadonlyMap<string, Manifest>): Map<string, Origin> {
  const origins = new Map<string, Origin>();
  const add = (stage: string, refs: readonly ArtifactRef[], patient?: string): void => {
    for (const { sha256, kind } of refs) if (!origins.has(sha256)) origins.set(sha256, { stage, kind, patient });
  };
  add('start', [input.spec]);
  for (const { key, patient } of uses) {
    const manifest = manifests.get(key);
    if (manifest) add(manifest.stage, artifactRefsIn(manifest.value), patient);
  }
  return origins;
}
