import { ArtifactRef } from '../../contracts/artifact.ts';
import { canonicalJson } from './canonical-json.ts';
import { type MemoIdentity, memoKey } from './keys.ts';
import { type ObjectStore, PreconditionFailed } from './store.ts';

/** Anything with a zod-like `parse` that throws on a value of another form. */
export interface Schema<T> {
  parse(value: unknown): T;
}

export interface MemoOptions<T> extends MemoIdentity {
  schema: Schema<T>;
  compute: () => Promise<T>;
  signal?: AbortSignal | undefined;
}

export interface MemoOutcome<T> {
  value: T;
  /** True when the value was taken from the store. */
  reused: boolean;
  /** How long the work took when it was done: a hit reports the seconds of the run that made it. */
  seconds: number;
}

/** How many artifacts of one result are looked for at a time. */
const PARALLEL_HEADS = 16;

/**
 * Runs a stage at most once for one identity, in this run or any later one. The result lies as a manifest under the hash
 * of stage, version, parameters and inputs.
 *
 * A hit is never believed unseen: the manifest must parse by the schema, and every artifact it names must exist with its
 * size; otherwise the work is done again and the manifest replaced. Where two writers race, the first manifest stands and
 * the other takes its value, so that all successors see one result.
 */
export async function memoise<T>(
  store: ObjectStore,
  exists: (ref: ArtifactRef) => Promise<boolean>,
  options: MemoOptions<T>,
): Promise<MemoOutcome<T>> {
  const { stage, version, parameters, inputs, schema, compute, signal } = options;
  const key = memoKey(options);
  signal?.throwIfAborted();
  const stored = await readManifest(store, exists, key, schema);
  if (stored?.outcome) return { ...stored.outcome, reused: true };

  signal?.throwIfAborted();
  const start = performance.now();
  const computed = await compute();
  const seconds = round((performance.now() - start) / 1000);
  // A cancelled attempt must not commit: its successor may be at work already.
  signal?.throwIfAborted();
  const manifest = canonicalJson({ stage, version, parameters, inputs, value: computed, seconds });
  try {
    await store.put(key, Buffer.from(manifest), {
      contentType: 'application/json',
      ...(stored ? { ifMatch: stored.etag } : { ifNoneMatch: '*' as const }),
    });
  } catch (error) {
    if (!(error instanceof PreconditionFailed)) throw error;
    const winner = await readManifest(store, exists, key, schema);
    // `reused` stays false: this process did do the work, even if the other's result is the one that counts.
    if (winner?.outcome) return { ...winner.outcome, reused: false };
    throw error;
  }
  // Through JSON, so that a first run and a hit give the very same value.
  return { value: schema.parse(JSON.parse(manifest).value), reused: false, seconds };
}

/** Null when there is none; without an outcome when there is one that must not be used. */
async function readManifest<T>(
  store: ObjectStore,
  exists: (ref: ArtifactRef) => Promise<boolean>,
  key: string,
  schema: Schema<T>,
): Promise<{ etag: string; outcome: { value: T; seconds: number } | null } | null> {
  const object = await store.get(key);
  if (!object) return null;
  const outcome = parseManifest(object.bytes, schema);
  const usable = outcome !== null && (await allExist(artifactRefsIn(outcome.value), exists));
  return { etag: object.etag, outcome: usable ? outcome : null };
}

function parseManifest<T>(bytes: Uint8Array, schema: Schema<T>): { value: T; seconds: number } | null {
  try {
    const { value, seconds } = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return typeof seconds === 'number' ? { value: schema.parse(value), seconds } : null;
  } catch {
    // Written by an older or newer version, or damaged: a miss, not an error.
    return null;
  }
}

/** Every artifact reference inside a value, each once. */
export function artifactRefsIn(value: unknown, found = new Map<string, ArtifactRef>()): ArtifactRef[] {
  if (typeof value === 'object' && value !== null) {
    const ref = ArtifactRef.safeParse(value);
    if (ref.success) found.set(`${ref.data.key} ${ref.data.bytes}`, ref.data);
    else for (const member of Object.values(value)) artifactRefsIn(member, found);
  }
  return [...found.values()];
}

async function allExist(
  refs: readonly ArtifactRef[],
  exists: (ref: ArtifactRef) => Promise<boolean>,
): Promise<boolean> {
  for (let from = 0; from < refs.length; from += PARALLEL_HEADS) {
    const answers = await Promise.all(refs.slice(from, from + PARALLEL_HEADS).map(exists));
    if (answers.includes(false)) return false;
  }
  return true;
}

const round = (seconds: number) => Math.round(seconds * 1000) / 1000;
