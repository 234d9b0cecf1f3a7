import type { ArtifactRef } from '../../contracts/artifact.ts';
import { chainKey, type MemoIdentity, memoKey } from './keys.ts';
import { artifactRefsIn, type Manifest } from './manifest.ts';
import { readJson } from './read-json.ts';
import type { ListedObject, ObjectStore } from './store.ts';
import type { StoreContent, StoredChain } from './store-content.ts';

/** A training that was stopped or extended shares the checkpoints of the planned one. */
export function plannedTraining({ stage, version, parameters, inputs }: Manifest): MemoIdentity {
  const { until, ...rest } = parameters as { until?: unknown };
  return { stage, version, parameters: rest, inputs };
}

/** How it is decided which trainings' checkpoints stay. */
interface Keeping {
  /** Keys of the results that stay. */
  readonly results: ReadonlySet<string>;
  readonly isLive: (ref: ArtifactRef) => boolean;
  /** Whether an object is too new to judge. */
  readonly isKept: (object: ListedObject) => boolean;
}

/**
 * Keys of the steps that stay: of a training whose result stays, the ends of its epochs, from which it can be branched; all of
 * one that is young, or of which a checkpoint is referred to (it is under way), for it may be resumed.
 */
export async function stepsToKeep(
  { chains, manifests }: StoreContent,
  store: ObjectStore,
  { results, isLive, isKept }: Keeping,
): Promise<Set<string>> {
  const finished = new Map(
    manifests.flatMap(({ object, manifest }) =>
      manifest?.stage === 'fine-tune' && results.has(object.key)
        ? [[chainKey(memoKey(plannedTraining(manifest)), manifest.made?.token), manifest.value] as const]
        : [],
    ),
  );
  const kept = new Set<string>();
  for (const chain of chains) {
    const value = finished.get(chain.key);
    const isOpen = [chain.head, ...chain.steps.map(({ object }) => object)].some((object) => object && isKept(object));
    const isUsed = chain.steps.some(({ step }) => artifactRefsIn(step).some(isLive));
    const perEpoch = value === undefined ? null : await stepsPerEpoch(value, store);
    const keeps = (step: number): boolean =>
      perEpoch === null ? isOpen || isUsed || value !== undefined : step % perEpoch === 0;
    for (const { object } of chain.steps.filter((link) => keeps(numberOf(link)))) kept.add(object.key);
  }
  return kept;
}

const numberOf = ({ object }: StoredChain['steps'][number]): number => Number(/(\d+)\.json$/.exec(object.key)?.[1]);

/** Null where it does not follow from the result. */
async function stepsPerEpoch(value: unknown, store: ObjectStore): Promise<number | null> {
  const { steps, curves } = (value ?? {}) as { steps?: unknown; curves?: unknown };
  const [ref] = artifactRefsIn(curves);
  const epochs = ref && (await readJson(store, ref.key))?.epochs;
  if (typeof steps !== 'number' || !Array.isArray(epochs) || epochs.length === 0) return null;
  return steps % epochs.length === 0 ? steps / epochs.length : null;
}
