import { structuresOf } from '../dataset/label-groups.ts';
import { drawingOf, isJittered } from '../dataset/prompts.ts';
import { isOnThisMachine, openSource } from '../dataset/sources/open.ts';
import type { Source } from '../dataset/sources/source.ts';
import { isFault } from '../fault.ts';
import type { Device } from '../runtime/session.ts';
import type { SamModel } from '../sam/model.ts';
import type { FineTuneSettings } from '../training/fine-tune.ts';
import { probeTrainingStep } from '../training/probe.ts';
import { probeProposer } from '../training/probe-proposer.ts';
import { promptShape } from '../training/prompt-feeds.ts';
import { trainsEncoder } from '../training/trainable.ts';
import { type CheckpointFacts, findCheckpoint } from './checkpoint.ts';
import {
  type Amount,
  amountOf,
  type DiskBytes,
  diskOf,
  type Measured,
  type MemoryBytes,
  memoryOf,
  type ScoringShape,
  type Seconds,
  secondsOf,
  trainedParametersOf,
} from './cost.ts';
import { type CountedParts, countData, type DataSettings } from './data.ts';
import { probeDecoder } from './probe-decoder.ts';
import { probeEncoder } from './probe-encoder.ts';

/** Of a run configuration, what decides about data, size and time. */
export interface PlanSettings extends DataSettings {
  readonly source: Source;
  /** As the schema of the run configuration allows it. */
  readonly device: string;
  readonly model: {
    readonly checkpoint: string;
    readonly inputSize?: number | undefined;
    readonly precision: 'auto' | 'float32' | 'float16' | 'int8';
  };
  readonly training: Omit<FineTuneSettings, keyof ReturnType<typeof drawingOf>>;
  readonly evaluation: { readonly postProcess: unknown };
}

export interface PlanOptions {
  /** Threads of a model session. */
  readonly threads: number;
  /** Folder of the models that come with samflow, by name. */
  readonly modelsDir: string;
  readonly cacheDir: string;
  /** Told what is being done. */
  readonly report: (line: string) => void;
}

/** What a run would do and cost. Null is what cannot be known here and now. */
export interface Plan {
  /** Null where the data are not here. */
  readonly parts: CountedParts | null;
  readonly amount: Amount | null;
  readonly checkpoint: CheckpointFacts | null;
  /** Measured on made-up weights of the checkpoint's shape. */
  readonly isMadeUp: boolean;
  readonly trainedParameters: number | null;
  /** Embeddings of training and validation cannot be kept then. */
  readonly encoderLearns: boolean;
  readonly measured: Measured | null;
  /** Why nothing was measured. */
  readonly notMeasured: string | null;
  /** Largest size of this process until the measuring was done. */
  readonly peakBytes: number | null;
  readonly seconds: Seconds | null;
  readonly memory: MemoryBytes | null;
  readonly disk: DiskBytes | null;
}

/**
 * Reads the data where they are on this machine, and measures an encoding and some training steps. Nothing is fetched and
 * nothing is stored but a generated phantom. Faults: those of the stages up to `split`, and of reading a checkpoint.
 */
export async function planRun(settings: PlanSettings, options: PlanOptions): Promise<Plan> {
  const { model, training } = settings;
  const { facts, model: opened, isMadeUp } = await findCheckpoint(model.checkpoint, model.inputSize, options.modelsDir);
  const parts = await readParts(settings, options);
  const amount = parts && amountOf(parts, training, scoringOf(settings));
  const { measured, notMeasured } = opened
    ? await measure(opened, parts, amount, settings, options)
    : { measured: null, notMeasured: `${model.checkpoint} is not on this machine` };
  return {
    ...{ parts, amount, checkpoint: facts, isMadeUp, measured, notMeasured },
    trainedParameters: facts && trainedParametersOf(facts, training.train),
    encoderLearns: trainsEncoder(training.train),
    // Node gives KiB on every platform.
    peakBytes: measured && process.resourceUsage().maxRSS * 1024,
    seconds: amount && measured && secondsOf(amount, training.train, measured),
    memory: parts && facts && memoryOf(parts, facts, training),
    disk: parts && amount && facts && diskOf(parts, facts, training, amount),
  };
}

async function readParts(settings: PlanSettings, { cacheDir, report }: PlanOptions): Promise<CountedParts | null> {
  const { source } = settings;
  if (!isOnThisMachine(source)) return null;
  report('Reading scans and masks');
  const listing = await openSource(source, { cacheDir });
  try {
    return await countData(listing, settings);
  } finally {
    await listing.close();
  }
}

const scoringOf = ({ prompts, evaluation }: PlanSettings): ScoringShape => ({
  jittered: isJittered(prompts),
  choosesPostProcess: evaluation.postProcess === 'auto',
  proposes: prompts.automatic === 'proposer',
});

/** Steps before slices: a device that is not there is then refused at once. */
async function measure(
  model: SamModel,
  parts: CountedParts | null,
  amount: Amount | null,
  { dataset, training, prompts, device, model: { precision } }: PlanSettings,
  { threads, report }: PlanOptions,
): Promise<{ measured: Measured | null; notMeasured: string | null }> {
  const batchBoxes = amount ? amount.imagesPerStep * training.boxesPerImage : training.batchBoxes;
  const session = { threads, device: device as Device };
  const slice = parts?.train[0] ?? { height: model.config.imageSize, width: model.config.imageSize };
  try {
    report('Measuring training steps');
    const { secondsPerStep } = await probeTrainingStep(
      model,
      { ...training, ...drawingOf(prompts), batchBoxes },
      session,
    );
    report('Measuring the encoder');
    const encodeSecondsPerSlice = await probeEncoder(model, slice, { ...session, precision });
    report('Measuring the decoder');
    const decodeSecondsPerBox = await probeDecoder(model, slice, promptShape(prompts), session);
    const proposes = prompts.automatic === 'proposer';
    if (proposes) report('Measuring the box proposer');
    const structures = structuresOf(dataset.target ?? '', dataset.labels).length;
    const asked = { structures, mode: prompts, height: slice.height, width: slice.width };
    const proposer = proposes ? await probeProposer(model.config, asked, session) : null;
    const measured = { encodeSecondsPerSlice, trainSecondsPerStep: secondsPerStep, decodeSecondsPerBox, proposer };
    return { measured, notMeasured: null };
  } catch (error) {
    if (!isFault(error) || error.code !== 'RUNTIME_PROVIDER') throw error;
    return { measured: null, notMeasured: error.details.found };
  }
}
