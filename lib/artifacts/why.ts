import type { RunLineage } from '../../contracts/lineage.ts';
import type { MemoUse } from '../../contracts/memo.ts';
import { type Difference, differencesOf } from './differences.ts';
import { changesOf, type InputChange } from './explain.ts';
import { stageOfKey } from './keys.ts';
import type { Manifest } from './manifest.ts';
import { originsOf, readManifests } from './manifests.ts';
import type { ObjectStore } from './store.ts';

/** The first thing that makes two runs differ. */
export type FirstDifference =
  | { readonly what: 'nothing' }
  /** A setting, or another parameter of a stage. */
  | { readonly what: 'parameter'; readonly stage: string; readonly difference: Difference }
  /** The stage's own code. */
  | { readonly what: 'version'; readonly stage: string; readonly difference: Difference }
  /** The data of one patient, whom `only` one of the runs may have. */
  | { readonly what: 'patient'; readonly stage: string; readonly patient: string; readonly only: 'a' | 'b' | null }
  | { readonly what: 'input'; readonly stage: string; readonly input: InputChange }
  /** The same was asked, and another result came. */
  | { readonly what: 'result'; readonly stage: string; readonly patient: string | null }
  /** How they ended: what both have done is the same, and one of them, or both, failed. */
  | { readonly what: 'end'; readonly a: Failed; readonly b: Failed; readonly settings: readonly Difference[] };

type Failed = NonNullable<RunLineage['failed']> | null;

/** A run, and those inside it that keep an account, by their last names. */
export interface Nested {
  readonly lineage: RunLineage;
  readonly inside: readonly (readonly [name: string, lineage: RunLineage])[];
}

/**
 * The same of cross-validations and retrainings: fold is compared with fold, and then what goes on around them; a run alone with the first
 * run inside the other. `inside` says in which one something differs.
 */
export async function firstDifferenceWithin(
  a: Nested,
  b: Nested,
  store: ObjectStore,
): Promise<FirstDifference & { readonly inside?: string }> {
  for (const [name, before, after] of pairsOf(a, b)) {
    const difference = await firstDifference(before, after, store);
    if (difference.what !== 'nothing') return { ...difference, ...(name !== null && { inside: name }) };
  }
  return { what: 'nothing' };
}

function pairsOf(a: Nested, b: Nested): [name: string | null, before: RunLineage, after: RunLineage][] {
  const [firstOfA, firstOfB] = [a.inside[0]?.[1], b.inside[0]?.[1]];
  if (!firstOfA || !firstOfB) return [[null, firstOfA ?? a.lineage, firstOfB ?? b.lineage]];
  const there = new Map(b.inside);
  const inside = a.inside.flatMap(([name, before]): [string, RunLineage, RunLineage][] => {
    const after = there.get(name);
    return after ? [[name, before, after]] : [];
  });
  return [...inside, [null, a.lineage, b.lineage]];
}

/** Compares two runs stage by stage, in the order in which data flow, and stops at what differs first. */
export async function firstDifference(a: RunLineage, b: RunLineage, store: ObjectStore): Promise<FirstDifference> {
  const manifests = await readManifests(store, [...new Set([...a.uses, ...b.uses].map(({ key }) => key))]);
  const origins = new Map([...originsOf(a, manifests), ...originsOf(b, manifests)]);
  const stages = [...new Set([...a.uses, ...b.uses].map(({ key }) => stageOfKey(key)))];
  let source: FirstDifference | null = null;
  for (const stage of stages) {
    const found = compareStage(stage, of(a, stage), of(b, stage), manifests, origins);
    // Of the same source, who has failed may not have come to this patient.
    const without = found?.what === 'patient' ? { a: b, b: a, both: null }[found.only ?? 'both'] : null;
    if (without?.failed && !source) continue;
    // That the source looks different says little; whose data differ, the next stage knows.
    if (stage === 'download' && found?.what !== 'version') source = found;
    else if (found) return found;
  }
  if (source) return source;
  const [failedA, failedB] = [a.failed ?? null, b.failed ?? null];
  if (!failedA && !failedB) return { what: 'nothing' };
  const settings = differencesOf(a.input.settings, b.input.settings);
  return { what: 'end', a: failedA, b: failedB, settings };
}

const of = ({ uses }: RunLineage, stage: string): MemoUse[] => uses.filter(({ key }) => stageOfKey(key) === stage);

function compareStage(
  stage: string,
  a: readonly MemoUse[],
  b: readonly MemoUse[],
  manifests: ReadonlyMap<string, Manifest>,
  origins: Parameters<typeof changesOf>[2],
): FirstDifference | null {
  const units = [...new Set([...a, ...b].map(({ patient }) => patient))];
  for (const patient of units) {
    const [before, after] = [a, b].map((uses) => uses.filter((use) => use.patient === patient)) as [
      MemoUse[],
      MemoUse[],
    ];
    if (before.length === 0 || after.length === 0) {
      // Later stages leave patients out by what came before: the split, or what learns.
      if (stage !== 'convert' || patient === undefined) continue;
      return { what: 'patient', stage, patient, only: before.length > 0 ? 'a' : 'b' };
    }
    const here = new Set(after.map(({ key }) => key));
    const there = new Set(before.map(({ key }) => key));
    const [left, right] = [before.find(({ key }) => !here.has(key)), after.find(({ key }) => !there.has(key))];
    const [from, to] = [left, right].map((use) => use && manifests.get(use.key));
    if (!left && !right) continue;
    if (!from || !to) return { what: 'input', stage, input: { stage: null, kind: null, count: 1 } };
    const { version, parameters, inputs } = changesOf(from, to, origins);
    if (version) return { what: 'version', stage, difference: version };
    if (parameters[0]) return { what: 'parameter', stage, difference: parameters[0] };
    if (inputs[0] && patient !== undefined && stage === 'convert')
      return { what: 'patient', stage, patient, only: null };
    if (inputs[0] && inputs[0].stage === null) return { what: 'input', stage, input: inputs[0] };
    // Its inputs were made by the same work before, or that would have been found.
    if (inputs[0]) return { what: 'result', stage: inputs[0].stage ?? stage, patient: patient ?? null };
  }
  return null;
}
