import { DELETIONS } from './keys.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { inParallel } from './manifests.ts';
import { type Json, readJson } from './read-json.ts';
import type { ListedObject, ObjectStore } from './store.ts';

/** A run that has ended: `runs/<id>/result.json` and what lies beside it. */
export interface StoredRun {
  readonly id: string;
  readonly name: string;
  readonly ended: Date;
  /** False where all that is known of it is how it failed. */
  readonly isFinished: boolean;
  readonly objects: readonly ListedObject[];
  /** The objects' JSON. */
  readonly values: readonly unknown[];
  /** Keys of the results that it used, and of the training that it branched from. */
  readonly uses: readonly string[];
}

/** A training's checkpoints: activities/checkpoint-chain.ts. */
export interface StoredChain {
  readonly key: string;
  readonly head: ListedObject | null;
  readonly steps: readonly { readonly object: ListedObject; readonly step: { step?: number } | null }[];
}

/** Everything in a store but the artifacts' bytes. */
export interface StoreContent {
  readonly runs: readonly StoredRun[];
  readonly chains: readonly StoredChain[];
  readonly manifests: readonly { readonly object: ListedObject; readonly manifest: Manifest | null }[];
  readonly blobs: readonly ListedObject[];
  /** Registry entries, and objects that samflow does not know. */
  readonly others: readonly { readonly object: ListedObject; readonly value: unknown }[];
  readonly objects: number;
  readonly bytes: number;
}

/** Keys of a training's checkpoints. */
export const CHAIN = /^runs\/([0-9a-f]{64})\/(head\.json|steps\/\d+\.json)$/;
const RUN = /^runs\/(.+)\/(?:result|lineage|failure)\.json$/;

export async function readContent(store: ObjectStore): Promise<StoreContent> {
  const sorted = { chains: new Map<string, ListedObject[]>(), runs: new Map<string, ListedObject[]>() };
  const [memo, blobs, others]: ListedObject[][] = [[], [], []];
  let [objects, bytes] = [0, 0];
  const into = (map: Map<string, ListedObject[]>, name: string, object: ListedObject): void => {
    map.set(name, [...(map.get(name) ?? []), object]);
  };
  for await (const object of store.list('')) {
    const { key } = object;
    objects += 1;
    bytes += object.bytes;
    const [chain, run] = [CHAIN.exec(key)?.[1], RUN.exec(key)?.[1]];
    if (key.startsWith('cas/sha256/')) blobs!.push(object);
    else if (key.startsWith('memo/')) memo!.push(object);
    else if (chain) into(sorted.chains, chain, object);
    else if (run) into(sorted.runs, run, object);
    // Records of deletions name nothing that has to stay.
    else if (!key.startsWith(DELETIONS)) others!.push(object);
  }
  const json = (object: ListedObject) => readJson(store, object.key);
  return {
    ...{ objects, bytes, blobs: blobs! },
    manifests: await inParallel(memo!, async (object) => {
      const read = await store.get(object.key);
      return { object, manifest: read && readManifest(read.bytes, object.key) };
    }),
    runs: await inParallel([...sorted.runs], async ([id, own]) => runOf(id, own, await inParallel(own, json))),
    chains: await inParallel([...sorted.chains], async ([key, own]) => {
      const links = own.filter(({ key }) => key.includes('/steps/'));
      const steps = await inParallel(links, async (object) => ({ object, step: await json(object) }));
      return { key, head: own.find((object) => !links.includes(object)) ?? null, steps };
    }),
    others: await inParallel(
      others!.filter(({ key }) => key.endsWith('.json')),
      async (object) => ({ object, value: await json(object) }),
    ),
  };
}

function runOf(id: string, objects: readonly ListedObject[], values: readonly Json[]): StoredRun {
  const lineages = values.filter((value) => value?.uses !== undefined);
  const names = values.map((value) => value?.name ?? (value?.input as Json)?.name);
  const uses = lineages.flatMap((lineage) => (lineage?.uses as { key?: unknown }[]) ?? []);
  // Whoever asks for a branch again asks for what it branched from.
  const branches = lineages.flatMap((lineage) => {
    const { of } = (lineage?.input as { branch?: { of?: unknown } } | undefined)?.branch ?? {};
    return of === undefined ? [] : [of];
  });
  return {
    ...{ id, objects, values },
    name: String(names.find((name) => name !== undefined) ?? id),
    ended: new Date(Math.max(...objects.map(({ modified }) => modified.getTime()))),
    isFinished: objects.some(({ key }) => !key.endsWith('/failure.json')),
    uses: [...uses.map(({ key }) => key), ...branches].map(String),
  };
}
