import type { ArtifactRef } from '../../contracts/artifact.ts';
import { artifactRefsIn } from './manifest.ts';
import { inParallel } from './manifests.ts';
import { readJson } from './read-json.ts';
import type { ObjectStore } from './store.ts';

/**
 * Artifacts that hold pixels, weights or texts for people: nothing is named in them, or (records of former champions) nothing that
 * has to stay. Any other kind is read, if it is JSON.
 */
const LEAVES: ReadonlySet<string> = new Set(
  'scan mask volume slices embeddings weights checkpoint predictions report licence probability curves champion-record'.split(
    ' ',
  ),
);
const LARGEST_JSON = 64 * 2 ** 20;

export interface LiveOptions {
  /** Keys of artifacts that count as gone: nothing is reached through them. */
  readonly without?: { has(key: string): boolean };
  /** Is told of every artifact that names others, or might, with what it holds. */
  readonly onDocument?: (ref: Pick<ArtifactRef, 'key' | 'kind'>, value: unknown) => void;
}

/** What can be reached: artifacts, and those that they name. */
export class Live {
  /** Kinds by key. */
  readonly #kinds = new Map<string, string>();
  readonly #store: ObjectStore;
  readonly #options: LiveOptions;

  constructor(store: ObjectStore, options: LiveOptions = {}) {
    this.#store = store;
    this.#options = options;
  }

  get size(): number {
    return this.#kinds.size;
  }

  has({ key }: ArtifactRef): boolean {
    return this.hasKey(key);
  }

  hasKey(key: string): boolean {
    return this.#kinds.has(key);
  }

  kindOf(key: string): string | undefined {
    return this.#kinds.get(key);
  }

  /** Whatever a value refers to, however many artifacts away. */
  async add(value: unknown): Promise<void> {
    for (let refs = this.#fresh(value); refs.length > 0; ) {
      for (const { key, kind } of refs) this.#kinds.set(key, kind);
      const inside = refs.filter(({ kind, bytes }) => !LEAVES.has(kind) && bytes <= LARGEST_JSON);
      refs = this.#fresh(await inParallel(inside, (ref) => this.#read(ref)));
    }
  }

  #fresh(value: unknown): ArtifactRef[] {
    const { without } = this.#options;
    return artifactRefsIn(value).filter((ref) => !this.has(ref) && !without?.has(ref.key));
  }

  async #read(ref: ArtifactRef): Promise<unknown> {
    const value = await readJson(this.#store, ref.key);
    this.#options.onDocument?.(ref, value);
    return value;
  }
}
