import type { WorkflowHandle } from '@temporalio/client';
import type {
  ProofBucket,
  ProofInstallation,
  ProofWorker,
  WorkerOptions,
} from '../../cli/resume-proof/installation.ts';
import type { OwnTemporal } from './own-temporal.ts';

/** The plan's numbers: docs/reference/durability.md says what each is. */
export const FAULT_IDS = ['F3', 'F4', 'F5', 'F6', 'F7', 'F8', 'F9', 'F11'] as const;
export type FaultId = (typeof FAULT_IDS)[number];

/** One disturbance of one run. */
export interface Fault {
  readonly id: FaultId;
  /** What is done, with what the seed has drawn. */
  readonly title: string;
  /** Of the run's first workers. */
  readonly workers?: (place: Place) => Promise<{ readonly gpu?: WorkerOptions; readonly others?: WorkerOptions }>;
  /** Does it, while the run is at work; resolves when nothing more is done. */
  disturb(scene: Scene): Promise<void>;
  /** Why it cannot be done on this machine; null where it can. */
  readonly impossible?: () => string | null;
  /** I5: the run ends within so many seconds more than an untouched one takes. */
  readonly within: number;
  /** I8: attempts beyond the first that all activities together may need. */
  readonly retries: number;
}

/** Several disturbances of one run, each when the one before it is over; the workers are as the first wants them. */
export function inTurn(faults: readonly [Fault, ...Fault[]]): Fault {
  const sum = (of: (fault: Fault) => number): number => faults.reduce((total, fault) => total + of(fault), 0);
  const { id, workers } = faults[0];
  return {
    ...{ id, title: faults.map(({ title }) => title).join('; ') },
    ...{ within: sum(({ within }) => within), retries: sum(({ retries }) => retries) },
    ...(workers && { workers }),
    impossible: () => faults.map(({ impossible }) => impossible?.() ?? null).find((why) => why !== null) ?? null,
    async disturb(scene) {
      for (const { disturb } of faults) await disturb(scene);
    },
  };
}

/** Where a run is about to be disturbed. */
export interface Place {
  readonly installation: ProofInstallation;
  readonly temporal: OwnTemporal;
  /** A folder of the run's own, on this machine's disk. */
  readonly folder: string;
  /** Something to end after the run. */
  closing(close: () => Promise<void>): void;
}

/** A run at work. */
export interface Scene extends Place {
  readonly bucket: ProofBucket;
  /** The gpu worker that came last. */
  readonly gpu: ProofWorker;
  readonly run: WorkflowHandle;
  startGpu(options?: WorkerOptions): Promise<ProofWorker>;
  /** Waits until so many checkpoints are in the store. */
  checkpoints(count: number): Promise<void>;
  /** Waits until a stage is at work. */
  stage(name: string): Promise<void>;
  /** Waits until a failure with one of the codes stands at an activity that is tried again; throws where the run ends without. */
  failure(codes: readonly string[]): Promise<void>;
  /** Waits until the run's details in the Web UI hold a text. */
  told(text: string): Promise<void>;
  /** The number of the newest attempt at the training that has kept a step. */
  fence(): Promise<number>;
  /** Starts the run again, under its id, once it has ended; `conflict` where it has not. */
  again(): Promise<WorkflowHandle>;
  /** Another run of the same configuration, under another id. */
  twin(): Promise<WorkflowHandle>;
  /** A run of many patients that has come to the gpu queue. */
  crowd(patients: number): Promise<WorkflowHandle>;
}
