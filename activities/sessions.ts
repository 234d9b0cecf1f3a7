import type { ArtifactRef } from '../contracts/artifact.ts';
import type { ModelRef } from '../contracts/stages.ts';
import type { ArtifactStore } from '../lib/artifacts/artifact-store.ts';
import type { Device, SessionOptions } from '../lib/runtime/session.ts';
import { changesEncoder, type SamModel, withTensors } from '../lib/sam/model.ts';
import { ImageEncoder } from '../lib/training/encoder.ts';
import type { ActivityDeps } from './deps.ts';
import { Models, modelDigests, readTensors } from './models.ts';

/** A model with the tensors that a training changed. */
export interface TunedModel {
  /** Without its encoder where that is the one of the model it came from. */
  readonly model: SamModel;
  /** Whether its embeddings are others than those of the model it came from. */
  readonly hasOwnEncoder: boolean;
}

/** An encoder that somebody else opens and closes. */
export type BorrowedEncoder = Pick<ImageEncoder, 'embeddingShape' | 'encode'>;

interface OpenEncoder {
  readonly key: string;
  readonly encoder: Promise<ImageEncoder>;
}

/**
 * The encoder between two shards: opening it costs more than a shard does. One is held open, for the model that was asked
 * for last, and it is closed when other work wants the memory, or when it has failed: its thread may be dead, and then every
 * attempt on this worker would fail.
 */
export class Sessions {
  readonly models: Models;
  readonly #artifacts: ArtifactStore;
  readonly #threads: number;
  readonly #observer: ActivityDeps['observer'];
  readonly #device: Device | null;
  #open: OpenEncoder | null = null;

  /** @param device where these sessions are opened, for models that want one of its kind */
  constructor({
    artifacts,
    threads,
    observer,
    device = null,
  }: Pick<ActivityDeps, 'artifacts' | 'threads' | 'observer'> & { device?: Device | null }) {
    this.models = new Models(artifacts);
    this.#artifacts = artifacts;
    this.#threads = threads;
    this.#observer = observer;
    this.#device = device;
  }

  /** How sessions of a model are opened on this worker, and until when. */
  options(
    { device = 'cpu' }: Pick<ModelRef, 'device'>,
    signal: AbortSignal,
  ): Pick<SessionOptions, 'threads' | 'device' | 'signal'> {
    const own = this.#device;
    const isOfKind = own?.split(':')[0] === device.split(':')[0];
    return { threads: this.#threads, device: own && isOfKind ? own : (device as Device), signal };
  }

  async tuned(ref: ModelRef, weights: ArtifactRef): Promise<TunedModel> {
    const tensors = await readTensors(this.#artifacts, weights);
    const hasOwnEncoder = changesEncoder(tensors);
    const model = await this.models.open(ref, hasOwnEncoder ? 'whole' : 'decoder');
    return { model: withTensors(model, tensors), hasOwnEncoder };
  }

  /** The encoder of a model, or of one that was tuned from it to these weights. */
  async encoder(
    ref: ModelRef,
    signal: AbortSignal,
    tuned?: TunedModel & { weights: ArtifactRef },
  ): Promise<BorrowedEncoder> {
    const own = tuned?.hasOwnEncoder ? tuned : null;
    const key = [...modelDigests(ref), ...(own ? [own.weights.sha256] : [])].join('/');
    if (this.#open?.key !== key) {
      await this.release();
      const open = async () => {
        const model = own?.model ?? (await this.models.open(ref));
        return ImageEncoder.open(model, { ...this.options(ref, signal), precision: ref.precision ?? 'auto' });
      };
      const encoder = open();
      this.#open = { key, encoder };
      encoder.catch(() => this.release());
    }
    return this.#lend(this.#open!);
  }

  async #lend(open: OpenEncoder): Promise<BorrowedEncoder> {
    const encoder = await open.encoder;
    return {
      embeddingShape: encoder.embeddingShape,
      encode: async (pixels, count, height, width, signal) => {
        try {
          const embeddings = await encoder.encode(pixels, count, height, width, signal);
          this.#observer?.encoded(count);
          return embeddings;
        } catch (error) {
          if (!signal?.aborted && this.#open === open) await this.release();
          throw error;
        }
      },
    };
  }

  async release(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.encoder.then((encoder) => encoder.close()).catch(() => undefined);
  }
}
