import type { ArtifactStore } from '../lib/artifacts/artifact-store.ts';
import type { ObjectStore } from '../lib/artifacts/store.ts';
import type { SourceAccess } from '../lib/dataset/sources/source.ts';
import type { Device } from '../lib/runtime/session.ts';
import type { Tasks } from './tasks.ts';

/** All that activities need from outside; `workers/` makes it, tests make their own. */
export interface ActivityDeps {
  readonly artifacts: ArtifactStore;
  /** The store below `artifacts`, for the chain of checkpoints. */
  readonly store: ObjectStore;
  readonly compute: Compute;
  /** Folder for downloads in progress. */
  readonly cacheDir: string;
  /** Folder of the models that come with samflow, by name. */
  readonly modelsDir: string;
  /** Another bucket of the store's server; checkpoints may lie there. */
  openBucket(bucket: string): ObjectStore;
  /** The Hugging Face hub; `token` is a secret. */
  readonly hub: { readonly endpoint: string; readonly token: string | null };
  /** Accounts and buckets for sources; holds secrets. */
  readonly sources: SourceAccess;
  /** Key of the patients' pseudonyms; only `download` needs it. */
  readonly patientKey: string | null;
  /** Threads of a model session. */
  readonly threads: number;
  /** How many bytes of a training's embeddings stay in memory, and who hears of trouble with the disk for the others. */
  readonly embeddings?: { readonly memoryBytes: number; readonly onTrouble?: (error: unknown) => void };
  /** Whoever counts the work; nobody by default. */
  readonly observer?: WorkObserver | undefined;
  /** The worker's own devices, one activity at a time on each; without any, the run's `device` is taken as it stands. */
  readonly devices?: readonly Device[];
}

/** Is told of work as it is done: numbers, and nothing of whose data they are about. */
export interface WorkObserver {
  /** The image encoder has embedded some slices. */
  encoded(slices: number): void;
  /** A training has waited so long for the data of a pass. */
  waited(seconds: number): void;
  /** A training has made a step: passes over a batch so far, the epoch's mean loss, the last validation Dice. */
  trained(run: string, step: { step: number; trainLoss: number | null; valDice: number | null }): void;
}

type TaskName = keyof Tasks;

/** Runs a task of the library in a thread, so that the main thread stays free for heartbeats and cancellation. */
export interface Compute {
  /**
   * Byte arrays in the input are moved, not copied, where they own their whole buffer: do not use them afterwards.
   * When the signal aborts, the thread is ended in the middle of its work.
   */
  run<N extends TaskName>(
    name: N,
    input: Parameters<Tasks[N]>[0],
    signal: AbortSignal,
  ): Promise<Awaited<ReturnType<Tasks[N]>>>;
}
