import { Live } from './live.ts';
import { artifactRefsIn, readManifest } from './manifest.ts';
import { inParallel } from './manifests.ts';
import type { ListedObject, ObjectStore } from './store.ts';
import { readContent, type StoreContent } from './store-content.ts';
import { stepsToKeep } from './training-steps.ts';

/** What stays. A run stays where any of these says so; with neither `ageMs` nor `last` all do. */
export interface KeepPolicy {
  /** Runs that ended, and results that were made, less than so long ago, in milliseconds. */
  readonly ageMs: number | null;
  /** The newest so many runs of each name. */
  readonly last: number | null;
  /** Whatever is younger than this stays, in milliseconds: work under way has made it. */
  readonly graceMs: number;
}

/** What is not in the store and points into it: open workflows and schedules. */
export type OutsideRoots = readonly unknown[];

/** An object to delete, and what it is: `run`, `result` of a stage, `training step`, or the kind of an artifact. */
export interface Doomed {
  readonly key: string;
  readonly bytes: number;
  readonly kind: string;
}

export interface GcPlan {
  readonly keptRuns: readonly string[];
  /** In the order in which they go: what names others first, so that nothing ever names what is gone. */
  readonly doomed: readonly Doomed[];
  /** Objects that stay. */
  readonly staying: { readonly objects: number; readonly bytes: number };
  /** The store's newest object when it was looked at. */
  readonly seenUntil: Date;
}

/**
 * Finds what no kept run, model, schedule or open workflow refers to, however many steps away. Reads the listing, every
 * manifest and the small JSON artifacts that name others; deletes nothing.
 */
export async function planGc(
  store: ObjectStore,
  policy: KeepPolicy,
  roots: OutsideRoots,
  nowMs = Date.now(),
): Promise<GcPlan> {
  const content = await readContent(store);
  const isWithin = (ms: number, { modified }: ListedObject): boolean => nowMs - modified.getTime() < ms;
  const isYoung = (object: ListedObject): boolean => isWithin(policy.graceMs, object);
  // Of runs that have failed or were cancelled little is recorded: what they made stays as long as a run would.
  const isRecent = (object: ListedObject): boolean => isWithin(Math.max(policy.graceMs, policy.ageMs ?? 0), object);
  const keptRuns = runsToKeep(content, policy, nowMs);
  const live = new Live(store);

  await live.add(roots);
  // Registry entries, and whatever samflow does not know: what it names stays.
  for (const { value } of content.others) await live.add(value);
  const used = new Set<string>();
  for (const { id, values, uses } of content.runs) {
    if (!keptRuns.has(id)) continue;
    await live.add(values);
    for (const key of uses) used.add(key);
  }
  for (const entry of content.manifests) {
    if (used.has(entry.object.key) || isRecent(entry.object)) await live.add(entry.manifest);
  }
  // A result whose artifacts all stay is worth keeping, and so is what it was made of where it says so (a report does).
  for (let before = -1; before < live.size; ) {
    before = live.size;
    for (const { manifest } of content.manifests) if (stays(manifest?.value, live)) await live.add(manifest);
  }
  const results = new Set(
    content.manifests.flatMap(({ object, manifest }) =>
      used.has(object.key) || isRecent(object) || stays(manifest?.value, live) ? [object.key] : [],
    ),
  );
  const steps = await stepsToKeep(content, store, {
    results,
    isLive: (ref) => live.has(ref),
    isKept: isRecent,
  });
  for (const { step, object } of content.chains.flatMap((chain) => chain.steps)) {
    if (steps.has(object.key) && step) await live.add(step);
  }

  const kinds = kindsIn(content);
  const doomed: Doomed[] = [];
  const doom = ({ key, bytes }: ListedObject, kind: string): void => void doomed.push({ key, bytes, kind });
  for (const { id, objects } of content.runs) {
    if (!keptRuns.has(id)) for (const object of objects) if (!isYoung(object)) doom(object, 'run');
  }
  for (const { object } of content.manifests) if (!results.has(object.key)) doom(object, 'result');
  for (const { head, steps: chain } of content.chains) {
    const gone = chain.filter(({ object }) => !steps.has(object.key));
    if (head && gone.length === chain.length && !isYoung(head)) doom(head, 'training step');
    for (const { object } of gone) if (!isYoung(object)) doom(object, 'training step');
  }
  for (const object of content.blobs) {
    if (!live.hasKey(object.key) && !isYoung(object)) doom(object, kinds.get(object.key) ?? 'other');
  }
  const bytes = doomed.reduce((sum, item) => sum + item.bytes, 0);
  return {
    keptRuns: [...keptRuns].sort(),
    doomed,
    staying: { objects: content.objects - doomed.length, bytes: content.bytes - bytes },
    seenUntil: content.newest,
  };
}

/** Objects deleted in one go: between two, a command that is told to stop stops. */
const BATCH = 1000;

/**
 * Deletes what a plan says, what names others first. Killed in the middle it leaves objects that nothing names: the next plan
 * finds them. Before artifacts go it looks again at what has come since: `rootsNow`, and results that name them anew.
 */
export async function collect(
  store: ObjectStore,
  { doomed, seenUntil }: GcPlan,
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
  await live.add(await manifestsSince(store, seenUntil));
  await remove(doomed.filter((item) => isArtifact(item) && !live.hasKey(item.key)));
  return deleted;
}

async function manifestsSince(store: ObjectStore, since: Date): Promise<unknown[]> {
  const keys: string[] = [];
  for await (const { key, modified } of store.list('memo/')) if (modified >= since) keys.push(key);
  return inParallel(keys, async (key) => {
    const object = await store.get(key);
    return object && readManifest(object.bytes, key);
  });
}

const stays = (value: unknown, live: Live): boolean => {
  const refs = artifactRefsIn(value);
  // One that names nothing names nothing that is gone.
  return refs.every((ref) => live.has(ref));
};

function runsToKeep({ runs, others }: StoreContent, policy: KeepPolicy, nowMs: number): Set<string> {
  const { ageMs, last, graceMs } = policy;
  // The run that made a champion is asked for by the model's name.
  const kept = new Set(others.flatMap(({ value }) => runsIn(value)));
  const seen = new Map<string, number>();
  const ids = new Set(runs.flatMap(({ id, isFinished }) => (isFinished ? [id] : [])));
  // A run that another one has started (a fold, say) stays with that one, and is none of its own.
  const ownerOf = (id: string): string | null => {
    const owner = id.slice(0, Math.max(0, id.lastIndexOf('/')));
    return ids.has(owner) ? owner : null;
  };
  const own = runs.filter(({ id }) => ownerOf(id) === null);
  for (const { id, name, ended, isFinished } of own.sort((a, b) => b.ended.getTime() - a.ended.getTime())) {
    const newer = seen.get(name) ?? 0;
    // One that failed takes the place of none that did not.
    if (isFinished) seen.set(name, newer + 1);
    const isRecent = nowMs - ended.getTime() < Math.max(graceMs, ageMs ?? 0);
    const isAmongLast = isFinished && last !== null && newer < last;
    if (isRecent || isAmongLast || (ageMs === null && last === null)) kept.add(id);
  }
  for (const { id } of runs) if (kept.has(ownerOf(id) ?? '')) kept.add(id);
  return kept;
}

/** Every `run` that a registry entry names, at any depth. */
function runsIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) =>
    name === 'run' && typeof member === 'string' ? [member] : runsIn(member),
  );
}

function kindsIn({ manifests, chains, runs }: StoreContent): Map<string, string> {
  const kinds = new Map<string, string>();
  const refs = artifactRefsIn([
    manifests.map(({ manifest }) => manifest),
    chains.map(({ steps }) => steps.map(({ step }) => step)),
    runs.map(({ values }) => values),
  ]);
  for (const { key, kind } of refs) kinds.set(key, kind);
  return kinds;
}
