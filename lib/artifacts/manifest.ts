import { ArtifactRef } from '../../contracts/artifact.ts';
import { canonicalJson } from './canonical-json.ts';
import { type MemoIdentity, memoKey } from './keys.ts';

/** Whose work a result is. */
export interface Maker {
  /** Id of the run whose work it is. */
  run: string;
  /** Of a run that was told to do the work again: see `MemoOptions.by`. */
  token?: string | undefined;
}

/** A stage's result in the store, with what decided it: `memo/<stage>/<hash>.json`. */
export interface Manifest extends MemoIdentity {
  value: unknown;
  /** How long the work took. */
  seconds: number;
  /** Absent in manifests of older versions. `at` is ISO 8601, by the worker's clock: for people, it decides nothing. */
  made?: Maker & { at: string };
}

export const writeManifest = (manifest: Manifest): Uint8Array => Buffer.from(canonicalJson(manifest));

/** Null where the bytes are no manifest, or not the one that belongs under `key`. */
export function readManifest(bytes: Uint8Array, key: string): Manifest | null {
  try {
    const manifest: Manifest = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return typeof manifest.seconds === 'number' && memoKey(manifest) === key ? manifest : null;
  } catch {
    // Written by an older or newer version, or damaged.
    return null;
  }
}

/** Every artifact reference inside a value, each once. */
export function artifactRefsIn(value: unknown): ArtifactRef[] {
  const found = new Map<string, ArtifactRef>();
  gather(value, found);
  return [...found.values()];
}

function gather(value: unknown, found: Map<string, ArtifactRef>): void {
  if (typeof value !== 'object' || value === null) return;
  const ref = ArtifactRef.safeParse(value);
  if (ref.success) found.set(`${ref.data.key} ${ref.data.bytes}`, ref.data);
  else for (const member of Object.values(value)) gather(member, found);
}
