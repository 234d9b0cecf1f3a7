import { type Doomed, type DoomPlan, kindsIn, type OutsideRoots, runsIn, seenIn } from './collect.ts';
import { chainKey, memoKey } from './keys.ts';
import { Live } from './live.ts';
import { artifactRefsIn, type Manifest } from './manifest.ts';
import type { ListedObject, ObjectStore } from './store.ts';
import type { StoreContent } from './store-content.ts';
import { plannedTraining } from './training-steps.ts';

/** What is to be forgotten. */
export interface DeletionWish {
  /** Ids of runs; what they have started (folds, fan-outs) goes with them. */
  readonly runs: readonly string[];
  /** Whatever Temporal holds of them: of runs that have failed the store has no record. */
  readonly histories: readonly unknown[];
  /** What goes whoever refers to it: a patient's. */
  readonly taken: Taken;
  /** Artifacts that an earlier deletion of the same was still to delete. */
  readonly pending: readonly string[];
}

export interface Taken {
  /** Keys of artifacts, with their kinds. */
  readonly artifacts: ReadonlyMap<string, string>;
  /** Keys of results. */
  readonly results: ReadonlySet<string>;
}

export const NOTHING_TAKEN: Taken = { artifacts: new Map(), results: new Set() };

export interface DeletionPlan extends DoomPlan {
  /** Records of runs that go. */
  readonly runs: readonly string[];
  /** Registry entries that name one of the runs, and go with them. */
  readonly models: readonly string[];
  /** What the runs refer to and others too, or somebody might: it stays. */
  readonly shared: { readonly objects: number; readonly bytes: number };
}

/** Stages whose results have learned: what they gave outlives the data, as long as a run or a model names it. */
export const LEARNING: ReadonlySet<string> = new Set(['fine-tune', 'train-proposer', 'package']);

/** Whether an id is one of these runs, or of something that they have started. */
export const within =
  (runs: readonly string[]) =>
  (id: string | undefined): boolean =>
    runs.some((run) => id === run || id?.startsWith(`${run}/`));

/**
 * Finds what goes with some runs: their records, the results that they alone have used or made, with their checkpoints, and
 * every artifact that is reached from these and from nowhere else. Deletes nothing.
 */
export async function planDeletion(
  store: ObjectStore,
  content: StoreContent,
  { runs, histories, taken, pending }: DeletionWish,
  roots: OutsideRoots,
): Promise<DeletionPlan> {
  const isOwn = within(runs);
  const records = content.runs.filter(({ id }) => isOwn(id));
  const otherRuns = content.runs.filter(({ id }) => !isOwn(id));
  const models = content.others.filter(
    ({ object, value }) => object.key.startsWith('models/') && runsIn(value).some(isOwn),
  );

  const own = new Live(store);
  await own.add([histories, records.map(({ values }) => values)]);
  const usedByOwn = new Set(records.flatMap(({ uses }) => uses));
  const isOwnResult = ({ object, manifest }: StoreContent['manifests'][number]): boolean =>
    usedByOwn.has(object.key) || isOwn(manifest?.made?.run);
  for (const entry of content.manifests) if (isOwnResult(entry)) await own.add(entry.manifest);

  const usedByOthers = new Set(otherRuns.flatMap(({ uses }) => uses));
  const isTaken = ({ object }: StoreContent['manifests'][number]): boolean => taken.results.has(object.key);
  // Of many shards a record names the first; the others are known by what they gave.
  const released = content.manifests.filter(
    (entry) =>
      isTaken(entry) ||
      (!usedByOthers.has(entry.object.key) && (isOwnResult(entry) || isReached(entry.manifest?.value, own))),
  );
  const isReleased = new Set(released);

  const other = new Live(store, { without: taken.artifacts });
  await other.add(roots);
  for (const entry of content.others) if (!models.includes(entry)) await other.add(entry.value);
  for (const { values } of otherRuns) await other.add(values);
  for (const entry of content.manifests) {
    // A report says too what it was made of: that counts as long as a run has the report.
    const isUsed = usedByOthers.has(entry.object.key);
    if (!isReleased.has(entry)) await other.add(isUsed ? entry.manifest : entry.manifest?.value);
  }
  // A result whose artifacts all stay is worth keeping.
  const results = released.filter((entry) => isTaken(entry) || !isReached(entry.manifest?.value, other));

  const chains = chainsOf(content, new Set(results.map(({ object }) => object.key)), [records, histories], own);
  for (const chain of content.chains) {
    const steps = chain.steps.map(({ step }) => step);
    await (chains.has(chain) ? own : other).add(steps);
  }
  for (const { manifest } of results) if (manifest && LEARNING.has(manifest.stage)) await own.add(manifest.value);

  const left = new Set(pending);
  const goes = (key: string): boolean =>
    taken.artifacts.has(key) || (!other.hasKey(key) && (own.hasKey(key) || left.has(key)));
  const kinds = kindsIn(content);
  const kindOf = (key: string): string => taken.artifacts.get(key) ?? own.kindOf(key) ?? kinds.get(key) ?? 'other';
  const shared = content.blobs.filter(({ key }) => own.hasKey(key) && !goes(key));
  return {
    runs: records.map(({ id }) => id),
    models: models.map(({ object }) => object.key),
    doomed: [
      ...models.map(({ object }) => doom(object, 'model')),
      ...[...chains].flatMap(({ steps, head }) =>
        [...steps.map(({ object }) => object), ...(head ? [head] : [])].map((object) => doom(object, 'training step')),
      ),
      ...results.map(({ object }) => doom(object, 'result')),
      ...records.flatMap(({ objects }) => objects.map((object) => doom(object, 'run'))),
      ...content.blobs.flatMap((object) => (goes(object.key) ? [doom(object, kindOf(object.key))] : [])),
    ],
    seen: seenIn(content),
    shared: { objects: shared.length, bytes: shared.reduce((sum, { bytes }) => sum + bytes, 0) },
  };
}

const doom = ({ key, bytes }: ListedObject, kind: string): Doomed => ({ key, bytes, kind });

/** Whether a result names artifacts, and all of them are reached. */
function isReached(value: unknown, live: Live): boolean {
  const refs = artifactRefsIn(value);
  return refs.length > 0 && refs.every((ref) => live.has(ref));
}

type Chain = StoreContent['chains'][number];

/** Trainings whose results all go, and those of these runs that have none. */
function chainsOf(content: StoreContent, gone: ReadonlySet<string>, told: unknown, own: Live): Set<Chain> {
  const tokens = tokensIn(told);
  const [going, staying] = [new Set<string>(), new Set<string>()];
  for (const { object, manifest } of content.manifests) {
    if (manifest?.stage !== 'fine-tune') continue;
    for (const key of keysOf(manifest, tokens)) (gone.has(object.key) ? going : staying).add(key);
  }
  const isOpenOwn = ({ steps }: Chain): boolean =>
    artifactRefsIn(steps.map(({ step }) => step)).some((checkpoint) => own.has(checkpoint));
  return new Set(
    content.chains.filter((chain) => !staying.has(chain.key) && (going.has(chain.key) || isOpenOwn(chain))),
  );
}

/** Trainings of which no result tells anything: under way, failed, or given up. */
export function unfinishedIn({ chains, manifests }: StoreContent): readonly Chain[] {
  const finished = new Set(
    manifests.flatMap(({ manifest }) => (manifest?.stage === 'fine-tune' ? keysOf(manifest, []) : [])),
  );
  return chains.filter(({ key }) => !finished.has(key));
}

/** A training that was told to begin anew has checkpoints of its own for each time. */
function keysOf(manifest: Manifest, tokens: readonly string[]): string[] {
  const key = memoKey(plannedTraining(manifest));
  return [undefined, manifest.made?.token, ...tokens].map((token) => chainKey(key, token));
}

const TOKEN = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function tokensIn(value: unknown): string[] {
  if (typeof value === 'string') return TOKEN.test(value) ? [value] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(tokensIn) : [];
}
