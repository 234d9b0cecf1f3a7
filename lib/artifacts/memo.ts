import type { ArtifactRef } from '../../contracts/artifact.ts';
import { type MemoIdentity, memoKey } from './keys.ts';
import { artifactRefsIn, type Maker, type Manifest, readManifest, writeManifest } from './manifest.ts';
import { type ObjectStore, PreconditionFailed } from './store.ts';

/** Anything with a zod-like `parse` that throws on a value of another form. */
export interface Schema<T> {
  parse(value: unknown): T;
}

export interface MemoOptions<T> extends MemoIdentity {
  schema: Schema<T>;
  compute: () => Promise<T>;
  signal?: AbortSignal | undefined;
  /**
   * For whom the work is done; the manifest says so. With a `token` the work is to be done again: only a result that was made
   * under this very token counts, so a repeated attempt of the run finds its own and nobody else's. The token is no part of
   * the key: what comes out is the same, and stands in the same place.
   */
  by?: Maker | undefined;
}

/** Why the work was done: nothing was there, what was there is no longer whole, or the run was told to. */
export type MemoCause = 'new' | 'lost' | 'forced';

export interface MemoOutcome<T> {
  value: T;
  /** True when the value was taken from the store. */
  reused: boolean;
  /** How long the work took when it was done: a hit reports the seconds of the run that made it. */
  seconds: number;
  /** Key of the manifest. */
  key: string;
  /** Absent where it was reused. */
  cause?: MemoCause;
}

/** How many artifacts of one result are looked for at a time. */
const PARALLEL_HEADS = 16;

/**
 * Runs a stage at most once for one identity, in this run or any later one. The result lies as a manifest under the hash
 * of stage, version, parameters and inputs.
 *
 * A hit is never believed unseen: the manifest must be that of its key and parse by the schema, and every artifact it names
 * must be whole (`isWhole`); otherwise the work is done again and the manifest replaced. Where two writers race, the first
 * manifest stands and the other takes its value, so that all successors see one result.
 */
export async function memoise<T>(
  store: ObjectStore,
  isWhole: (ref: ArtifactRef) => Promise<boolean>,
  options: MemoOptions<T>,
): Promise<MemoOutcome<T>> {
  const { stage, version, parameters, inputs, schema, compute, signal, by } = options;
  const key = memoKey(options);
  signal?.throwIfAborted();
  const stored = await read(store, isWhole, key, schema);
  const isForced = by?.token !== undefined && stored?.token !== by.token;
  if (stored?.outcome && !isForced) return { ...stored.outcome, key, reused: true };

  signal?.throwIfAborted();
  const start = performance.now();
  const computed = await compute();
  const seconds = round((performance.now() - start) / 1000);
  // A cancelled attempt must not commit: its successor may be at work already.
  signal?.throwIfAborted();
  const made = by && { ...by, at: new Date().toISOString() };
  const manifest = { stage, version, parameters, inputs, value: computed, seconds, ...(made && { made }) };
  const cause: MemoCause = !stored ? 'new' : stored.outcome ? 'forced' : 'lost';
  const bytes = writeManifest(manifest);
  try {
    await store.put(key, bytes, {
      contentType: 'application/json',
      ...(stored ? { ifMatch: stored.etag } : { ifNoneMatch: '*' as const }),
    });
  } catch (error) {
    if (!(error instanceof PreconditionFailed)) throw error;
    const winner = await read(store, isWhole, key, schema);
    // `reused` stays false: this process did do the work, even if the other's result is the one that counts.
    if (winner?.outcome) return { ...winner.outcome, key, reused: false, cause };
    throw error;
  }
  // Through JSON, so that a first run and a hit give the very same value.
  const value = schema.parse((JSON.parse(Buffer.from(bytes).toString('utf8')) as Manifest).value);
  return { value, reused: false, seconds, key, cause };
}

interface Stored<T> {
  readonly etag: string;
  /** Null where it must not be used. */
  readonly outcome: { readonly value: T; readonly seconds: number } | null;
  readonly token: string | undefined;
}

/** Null when there is none. */
async function read<T>(
  store: ObjectStore,
  isWhole: (ref: ArtifactRef) => Promise<boolean>,
  key: string,
  schema: Schema<T>,
): Promise<Stored<T> | null> {
  const object = await store.get(key);
  if (!object) return null;
  const manifest = readManifest(object.bytes, key);
  const outcome = manifest && parseValue(manifest, schema);
  const usable = outcome !== null && (await areWhole(artifactRefsIn(outcome.value), isWhole));
  return { etag: object.etag, outcome: usable ? outcome : null, token: manifest?.made?.token };
}

/** Null where another version wrote it: a miss, not an error. */
function parseValue<T>({ value, seconds }: Manifest, schema: Schema<T>): { value: T; seconds: number } | null {
  try {
    return { value: schema.parse(value), seconds };
  } catch {
    return null;
  }
}

async function areWhole(
  refs: readonly ArtifactRef[],
  isWhole: (ref: ArtifactRef) => Promise<boolean>,
): Promise<boolean> {
  for (let from = 0; from < refs.length; from += PARALLEL_HEADS) {
    const answers = await Promise.all(refs.slice(from, from + PARALLEL_HEADS).map(isWhole));
    if (answers.includes(false)) return false;
  }
  return true;
}

const round = (seconds: number) => Math.round(seconds * 1000) / 1000;
