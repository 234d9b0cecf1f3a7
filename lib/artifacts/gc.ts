import { type Doomed, type DoomPlan, kindsIn, type OutsideRoots, runsIn, seenIn } from './collect.ts';
import { Live } from './live.ts';
import { artifactRefsIn } from './manifest.ts';
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

export interface GcPlan extends DoomPlan {
  readonly keptRuns: readonly string[];
  /** Objects that stay. */
  readonly staying: { readonly objects: number; readonly bytes: number };
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
    seen: seenIn(content),
  };
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
