import type { ActivityDeps } from '../activities/deps.ts';
import type { ObserveRequests } from '../lib/artifacts/requests.ts';
import { S3Store, type S3StoreOptions } from '../lib/artifacts/s3-store.ts';
import { forbidden } from '../lib/dataset/sources/http.ts';
import { OutOfReach, type Reach } from '../lib/http/reach.ts';
import type { WorkerConfig } from './config.ts';

type BucketPlace = Parameters<ActivityDeps['sources']['openBucket']>[0];

/**
 * Opens the buckets that sources name. An account belongs to one server: that of the environment (SAMFLOW_SOURCE_S3_…), or
 * else the store. A configuration may name any other server, which is then asked without a signature, as nobody in
 * particular, and within reach: whoever writes one cannot make the worker sign for a server of his own, nor ask one that only the
 * worker can reach.
 */
export class SourceBuckets {
  readonly #store: S3Store;
  readonly #config: WorkerConfig;
  readonly #reach: Reach;
  readonly #observe: ObserveRequests | undefined;
  /** One client for each server. */
  readonly #opened = new Map<string, S3Store>();

  constructor(store: S3Store, config: WorkerConfig, reach: Reach, observe?: ObserveRequests) {
    this.#store = store;
    this.#config = config;
    this.#reach = reach;
    this.#observe = observe;
  }

  open(place: BucketPlace): S3Store {
    const options = optionsOf(place, this.#config);
    if (options === null) return this.#store.inBucket(place.bucket);
    const server = JSON.stringify([options.endpoint, options.region]);
    const known = this.#opened.get(server);
    if (known) return known.inBucket(place.bucket);
    const lookup = this.#isOurs(place) ? undefined : this.#lookupFor(place);
    const opened = new S3Store({ ...options, observe: this.#observe, ...(lookup && { lookup }) });
    this.#opened.set(server, opened);
    return opened;
  }

  /** Named by the environment, and not by a configuration alone. */
  #isOurs({ endpoint }: BucketPlace): boolean {
    if (endpoint === undefined) return true;
    return (
      sameServer(endpoint, this.#config.worker.sourceS3.endpoint) || sameServer(endpoint, this.#config.store.endpoint)
    );
  }

  #lookupFor({ endpoint = '' }: BucketPlace): Reach['lookup'] {
    try {
      this.#reach.checkHost(new URL(endpoint).hostname);
      return this.#reach.lookup;
    } catch (error) {
      throw error instanceof OutOfReach ? forbidden(error.host) : error;
    }
  }

  close(): void {
    for (const opened of this.#opened.values()) opened.close();
  }
}

/** Null: the bucket lies beside the store's own. */
function optionsOf(place: BucketPlace, { store, worker }: WorkerConfig): S3StoreOptions | null {
  const { endpoint, region, accessKeyId, secretAccessKey } = worker.sourceS3;
  const { bucket } = place;
  const isSet = endpoint !== undefined || accessKeyId !== undefined;
  if (isSet && (place.endpoint === undefined || sameServer(place.endpoint, endpoint))) {
    const unsigned = accessKeyId === undefined;
    return { bucket, endpoint, region: place.region ?? region ?? store.region, accessKeyId, secretAccessKey, unsigned };
  }
  if (place.endpoint === undefined || sameServer(place.endpoint, store.endpoint)) return null;
  return { bucket, endpoint: place.endpoint, region: place.region ?? store.region, unsigned: true };
}

function sameServer(one: string, other: string | undefined): boolean {
  return other !== undefined && new URL(one).origin === new URL(other).origin;
}
