import type { ArtifactRef } from '../../contracts/artifact.ts';
import { artifactRefsIn } from './manifest.ts';
import { inParallel } from './manifests.ts';
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

/** What can be reached: artifacts, and those that they name. */
export class Live {
  readonly #keys = new Set<string>();
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  get size(): number {
    return this.#keys.size;
  }

  has({ key }: ArtifactRef): boolean {
    return this.#keys.has(key);
  }

  hasKey(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Whatever a value refers to, however many artifacts away. */
  async add(value: unknown): Promise<void> {
    for (let refs = this.#fresh(value); refs.length > 0; ) {
      for (const { key } of refs) this.#keys.add(key);
      const inside = refs.filter(({ kind, bytes }) => !LEAVES.has(kind) && bytes <= LARGEST_JSON);
      refs = this.#fresh(await inParallel(inside, (ref) => this.#read(ref)));
    }
  }

  #fresh(value: unknown): ArtifactRef[] {
    return artifactRefsIn(value).filter((ref) => !this.has(ref));
  }

  async #read({ key }: ArtifactRef): Promise<unknown> {
    const object = await this.#store.get(key);
    try {
      return object && JSON.parse(Buffer.from(object.bytes).toString('utf8'));
    } catch {
      // No JSON: it names nothing.
      return null;
    }
  }
}
