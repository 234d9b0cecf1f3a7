import type { RunLineage } from '../../contracts/lineage.ts';
import type { MemoUse } from '../../contracts/memo.ts';
import { type Difference, differencesOf } from './differences.ts';
import { stageOfKey } from './keys.ts';
import type { Manifest } from './manifest.ts';
import { type Origin, originsOf, readManifests } from './manifests.ts';
import type { ObjectStore } from './store.ts';

/** Inputs that differ, by who made them. */
export interface InputChange {
  /** Stage and kind of artifact, e.g. `fine-tune`, `weights`; null where nobody in the run made it. */
  readonly stage: string | null;
  readonly kind: string | null;
  readonly count: number;
}

/** Why a result had to be made. */
export type Reason =
  /** Nothing like it was made before. */
  | { readonly why: 'new' }
  /** The run was told to. */
  | { readonly why: 'forced' }
  /** It was made before, and what it names is gone or damaged. */
  | { readonly why: 'lost' }
  /** In this it differs from the nearest result that was made before. */
  | {
      readonly why: 'changed';
      readonly version: Difference | null;
      readonly parameters: readonly Difference[];
      readonly inputs: readonly InputChange[];
      readonly than: { readonly run: string | null; readonly at: string | null };
    };

/** A stage of a run: some of its results were reused, and some were made, for these reasons. */
export interface StageAccount {
  readonly stage: string;
  readonly reused: number;
  readonly ran: number;
  /** Who had made what was reused, each run once. */
  readonly madeBy: readonly { readonly run: string | null; readonly at: string | null }[];
  readonly reasons: readonly { readonly results: number; readonly reason: Reason }[];
}

/** Of earlier results so many are looked at, the newest first. */
const CANDIDATES = 64;

/** Says of each stage of a run why it worked, or whose work it reused. Reads manifests alone. */
export async function explainRun(lineage: RunLineage, store: ObjectStore): Promise<StageAccount[]> {
  const { uses } = lineage;
  const manifests = await readManifests(store, [...new Set(uses.map(({ key }) => key))]);
  const origins = originsOf(lineage, manifests);
  const stages = [...new Set(uses.map(({ key }) => stageOfKey(key)))];
  const accounts: StageAccount[] = [];
  for (const stage of stages) {
    const own = uses.filter(({ key }) => stageOfKey(key) === stage);
    const ran = own.filter(({ reused }) => !reused);
    const reused = own.filter(({ reused }) => reused);
    const isAsked = ran.some(({ cause }) => (cause ?? 'new') === 'new');
    const earlier = isAsked ? await earlierThan(stage, own, manifests, store) : [];
    accounts.push({
      ...{ stage, reused: reused.length, ran: ran.length },
      madeBy: alike(
        reused.map(({ key }) => madeOf(manifests.get(key))),
        ({ run }) => run,
      ).map(([made]) => made),
      reasons: alike(
        ran.map((use) => reasonOf(use, own, manifests, earlier, origins)),
        textOf,
      ).map(([reason, results]) => ({ results, reason })),
    });
  }
  return accounts;
}

function reasonOf(
  { key, cause = 'new' }: MemoUse,
  stage: readonly MemoUse[],
  manifests: ReadonlyMap<string, Manifest>,
  earlier: readonly Manifest[],
  origins: ReadonlyMap<string, Origin>,
): Reason {
  const manifest = manifests.get(key);
  if (cause !== 'new' || !manifest) return { why: cause };
  // What is not common to all results of the stage is this one's own data: another patient's result is no former of it.
  const common = commonInputs(stage.flatMap((use) => manifests.get(use.key) ?? []));
  const own = manifest.inputs.filter((input) => !common.has(input));
  const formers = earlier.filter(({ inputs }) => own.length === 0 || own.some((input) => inputs.includes(input)));
  let nearest: { former: Manifest; changes: number } | null = null;
  for (const former of formers) {
    const { parameters, inputs, version } = changesOf(former, manifest, origins);
    const changes = parameters.length + inputs.reduce((sum, { count }) => sum + count, 0) + (version ? 1 : 0);
    if (!nearest || changes < nearest.changes) nearest = { former, changes };
  }
  if (!nearest) return { why: 'new' };
  return { why: 'changed', ...changesOf(nearest.former, manifest, origins), than: madeOf(nearest.former) };
}

/** In what two results of one stage differ. */
export function changesOf(before: Manifest, after: Manifest, origins: ReadonlyMap<string, Origin>) {
  const version = before.version === after.version ? null : { before: before.version, after: after.version };
  return {
    version: version && { path: 'version', ...version },
    parameters: differencesOf(before.parameters, after.parameters),
    inputs: inputChanges(before.inputs, after.inputs, origins),
  };
}

function inputChanges(
  before: readonly string[],
  after: readonly string[],
  origins: ReadonlyMap<string, Origin>,
): InputChange[] {
  const added = after.filter((input) => !before.includes(input));
  // Where nothing came, something went, or the order is another.
  const gone = before.filter((input) => !after.includes(input));
  const isMoved = added.length + gone.length === 0 && before.join() !== after.join();
  const changed = added.length > 0 ? added : isMoved ? after : gone;
  const named = changed.map((input) => {
    const origin = origins.get(input);
    return { stage: origin?.stage ?? null, kind: origin?.kind ?? (/^[0-9a-f]{64}$/.test(input) ? null : input) };
  });
  return alike(named, ({ stage, kind }) => `${stage} ${kind}`).map(([name, count]) => ({ ...name, count }));
}

function commonInputs(manifests: readonly Manifest[]): Set<string> {
  const [first, ...rest] = manifests;
  return new Set(first?.inputs.filter((input) => rest.every(({ inputs }) => inputs.includes(input))) ?? []);
}

/** Results of a stage that were there before any of this run's was made, the newest first. */
async function earlierThan(
  stage: string,
  own: readonly MemoUse[],
  manifests: ReadonlyMap<string, Manifest>,
  store: ObjectStore,
): Promise<Manifest[]> {
  const keys = new Set(own.map(({ key }) => key));
  const times = own.flatMap(({ key, reused }) => (reused ? [] : (manifests.get(key)?.made?.at ?? [])));
  const end = times.length > 0 ? Math.max(...times.map(Date.parse)) : Number.POSITIVE_INFINITY;
  const found: { key: string; modified: number }[] = [];
  for await (const { key, modified } of store.list(`memo/${stage}/`)) {
    if (!keys.has(key) && modified.getTime() <= end) found.push({ key, modified: modified.getTime() });
  }
  found.sort((a, b) => b.modified - a.modified);
  const newest = found.slice(0, CANDIDATES).map(({ key }) => key);
  const read = [...(await readManifests(store, newest)).values()];
  // A store tells whole seconds; the manifest knows it better.
  return read.filter(({ made }) => !made || Date.parse(made.at) <= end);
}

const madeOf = (manifest: Manifest | undefined): { run: string | null; at: string | null } => ({
  run: manifest?.made?.run ?? null,
  at: manifest?.made?.at ?? null,
});

const textOf = (reason: Reason): string =>
  JSON.stringify(reason.why === 'changed' ? { ...reason, than: reason.than.run } : reason);

/** Equal items once, with their number. */
function alike<T>(items: readonly T[], identity: (item: T) => unknown): [T, number][] {
  const groups = new Map<unknown, [T, number]>();
  for (const item of items) {
    const group = groups.get(identity(item));
    if (group) group[1] += 1;
    else groups.set(identity(item), [item, 1]);
  }
  return [...groups.values()];
}
