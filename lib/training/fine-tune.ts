import { Fault } from '../fault.ts';
import type { SessionOptions } from '../runtime/session.ts';
import { encodeSafetensors } from '../safetensors.ts';
import type { SamModel } from '../sam/model.ts';
import {
  type Checkpoint,
  decodeTrainingCheckpoint,
  type EpochFigures,
  encodeTrainingCheckpoint,
  type Progress,
  type StartFigures,
} from './checkpoint.ts';
import { imageInput, type MaskTraining, maskTraining, type StepSettings } from './mask-training.ts';
import { PassFeeds } from './pass-feeds.ts';
import type { BatchSettings } from './passes.ts';
import { Batches, type PromptDrawing, type TrainingSlice } from './samples.ts';
import { learningRateAt, type ScheduleSettings } from './schedule.ts';
import { StepSession, unpackFlat } from './step.ts';
import { Validator } from './validator.ts';

/** A pass that takes longer is not made for the sake of a parting checkpoint: whoever ends a worker waits some seconds only. */
const PARTING_PASS_MS = 5_000;

/** As `training` of the run configuration, and of its `prompts` what is drawn. */
export interface FineTuneSettings extends StepSettings, BatchSettings, ScheduleSettings, PromptDrawing {
  readonly epochs: number;
  readonly patience: number;
  readonly checkpointEverySteps: number;
}

/** What a person watching wants to know. */
export interface FineTuneStatus {
  /** Passes over a batch. */
  readonly step: number;
  /** Passes there will be, unless the training ends early. */
  readonly steps: number;
  readonly epoch: number;
  readonly epochs: number;
  readonly trainLoss: number | null;
  readonly valDice: number | null;
  readonly secondsLeft: number | null;
}

export interface FineTuneOptions {
  readonly model: SamModel;
  /** Slices with their embeddings, or with their pixels where the encoder is trained: see `imageInput`. */
  readonly train: readonly TrainingSlice[];
  readonly val: readonly TrainingSlice[];
  readonly settings: FineTuneSettings;
  readonly session: Omit<SessionOptions, 'fold'>;
  /** Bytes of an earlier checkpoint of this very run. */
  readonly resume?: Uint8Array | undefined;
  /**
   * The epoch with which the training ends, where that is not `settings.epochs`: sooner, or later. Up to there it is the
   * same training, whatever this says: the schedule is that of `settings.epochs`, and what comes after it goes on at its last rate.
   */
  readonly until?: number | undefined;
  /** When it aborts, the last whole step is kept (`onCheckpoint`), and the training ends with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Keeps a checkpoint, which holds so many whole epochs. Training goes on meanwhile, but never past the next one before this
   * one is kept.
   */
  readonly onCheckpoint?: (bytes: Uint8Array, step: number, epochs: number) => Promise<void>;
  readonly onStatus?: (status: FineTuneStatus) => void;
  /** Is told of each pass, in training and validation, how long the model waited for its feeds. */
  readonly onWait?: ((seconds: number) => void) | undefined;
}

export interface FineTuned {
  /**
   * safetensors of the tensors that changed, under their Hugging Face names, of the best epoch by validation loss; those
   * of the start where no epoch was better, so that fine-tuning never keeps what it made worse.
   */
  readonly weights: Uint8Array;
  readonly start: StartFigures;
  readonly epochs: readonly EpochFigures[];
  /** Passes that were made. */
  readonly steps: number;
  readonly bestEpoch: number;
  readonly bestValLoss: number;
}

/**
 * Fine-tunes what `settings.train` says, on cached embeddings where the encoder stays. Deterministic: the same model,
 * slices, settings, device and thread count give the same bytes, whether the run went through or was resumed from any of
 * its checkpoints. Throws TRAINING_NO_SAMPLES, TRAINING_DIVERGED, CHECKPOINT_MISMATCH.
 */
export async function fineTune(options: FineTuneOptions): Promise<FineTuned> {
  const { model, train, val, settings, signal } = options;
  for (const [part, slices] of Object.entries({ train, val })) {
    if (slices.every(({ objects }) => objects.length === 0)) {
      throw new Fault('TRAINING_NO_SAMPLES', {
        at: part,
        found: 'no prompted object',
        expected: 'at least one',
        fix: 'Lower slices.minForegroundPixels or prompts.minComponentPixels, or add patients',
      });
    }
  }
  const [batches, held] = [train, val].map((slices) => new Batches(slices, settings, model)) as [Batches, Batches];
  const training = maskTraining(model, batches, settings);
  const { run, validator } = await openBoth(options, batches, held, training);
  try {
    return await run.finish(validator, signal);
  } finally {
    await Promise.all([run.close(), validator.close()]);
  }
}

/** What trains and what scores. Small models are opened beside each other; with an encoder in it, each is as large as all weights. */
async function openBoth(options: FineTuneOptions, batches: Batches, held: Batches, training: MaskTraining) {
  const { model, settings, session, onWait } = options;
  const opening = TrainingRun.open(options, batches, training);
  if (imageInput(settings.train) === 'pixels') await opening;
  const [run, validator] = await Promise.allSettled([
    opening,
    Validator.open(model, training.learner, held, settings, session, onWait),
  ]);
  if (run.status === 'fulfilled' && validator.status === 'fulfilled') {
    return { run: run.value, validator: validator.value };
  }
  for (const opened of [run, validator]) if (opened.status === 'fulfilled') await opened.value.close();
  throw run.status === 'rejected' ? run.reason : (validator as PromiseRejectedResult).reason;
}

class TrainingRun {
  private readonly options: FineTuneOptions;
  private readonly batches: Batches;
  private readonly training: MaskTraining;
  private readonly session: StepSession;
  private readonly feeds: PassFeeds;
  private readonly until: number;
  private readonly updatesPerEpoch: number;
  private progress: Progress;
  private best: Float32Array;
  /** Passes of the present step that were made: their gradients are in the sum, and no update yet. */
  private passesMade = 0;
  private passMs = 0;
  /** Nobody knows yet whether its weights give a finite loss: the next step tells. */
  private unproved: { readonly bytes: Uint8Array; readonly step: number; readonly epochs: number } | null = null;
  /** The step that is in the last checkpoint: a step is kept once. */
  private keptStep: number;
  /** The checkpoint that is being kept. */
  private keeping: Promise<void> = Promise.resolve();

  private constructor(
    options: FineTuneOptions,
    batches: Batches,
    training: MaskTraining,
    session: StepSession,
    feeds: PassFeeds,
    from: Checkpoint,
  ) {
    this.options = options;
    this.batches = batches;
    this.training = training;
    this.session = session;
    this.feeds = feeds;
    this.until = options.until ?? options.settings.epochs;
    this.updatesPerEpoch = Math.ceil(batches.perEpoch / options.settings.accumulate);
    this.progress = from.progress;
    this.best = from.best;
    this.keptStep = from.progress.step;
  }

  static async open(options: FineTuneOptions, batches: Batches, training: MaskTraining): Promise<TrainingRun> {
    const { start, step } = training;
    const from = options.resume ? decodeTrainingCheckpoint(options.resume, start.length) : beginning(start);
    const feeds = new PassFeeds(batches, options.settings, options.onWait);
    // Who goes on in mid-epoch reads the first pass while the sessions open.
    if (from.progress.step % batches.perEpoch > 0) feeds.begin(from.progress.step);
    const session = await StepSession.open(step, from.state, options.session);
    return new TrainingRun(options, batches, training, session, feeds, from);
  }

  async finish(validator: Validator, signal: AbortSignal | undefined): Promise<FineTuned> {
    try {
      await this.train(validator, signal);
      await this.keeping;
    } catch (error) {
      // Best effort: what is wrong now is wrong for the next attempt too, which then begins one checkpoint earlier.
      if (signal?.aborted) await this.part().catch(() => undefined);
      throw error;
    }
    const { start, epochs, bestEpoch, bestValLoss } = this.progress;
    // Steps of an epoch that was not finished have changed nothing of the result.
    const steps = epochs.length * this.batches.perEpoch;
    return { weights: this.encodeBest(), start: start!, epochs, steps, bestEpoch, bestValLoss };
  }

  private async train(validator: Validator, signal: AbortSignal | undefined): Promise<void> {
    const { settings } = this.options;
    const started = performance.now();
    const first = this.progress.step;
    if (this.progress.start === null) await this.scoreStart(validator, signal);
    while (this.progress.epochs.length < this.until && !this.hasRunDry()) {
      if (!this.awaitsScore()) await this.step();
      const { step } = this.progress;
      const epochEnds = this.awaitsScore();
      if (epochEnds) await this.endEpoch(validator, signal);
      const perStep = (performance.now() - started) / 1000 / Math.max(1, step - first);
      this.report(this.hasRunDry() ? 0 : perStep * (this.until * this.batches.perEpoch - step));
      if (epochEnds || step % settings.checkpointEverySteps === 0) await this.checkpoint();
      // A validation loss is as good a proof as that of a step.
      if (epochEnds) await this.keepProved();
    }
  }

  /** An epoch's last step is made and its weights are not scored: also where a checkpoint was taken in between. */
  private awaitsScore(): boolean {
    const { step, epochs } = this.progress;
    return step === (epochs.length + 1) * this.batches.perEpoch;
  }

  /** So many whole epochs without a better validation loss that the settings' patience ends. */
  private hasRunDry(): boolean {
    const { patience } = this.options.settings;
    const { epochs, bestEpoch, step } = this.progress;
    return patience > 0 && step % this.batches.perEpoch === 0 && epochs.length - bestEpoch >= patience;
  }

  private async step(): Promise<void> {
    const { settings, signal } = this.options;
    const { perEpoch, passes } = this.batches;
    const done = this.progress.step;
    const [epoch, inEpoch] = [Math.floor(done / perEpoch), done % perEpoch];
    const inUpdate = inEpoch % settings.accumulate;
    const endsUpdate = inUpdate === settings.accumulate - 1 || inEpoch === perEpoch - 1;
    const update = epoch * this.updatesPerEpoch + Math.floor(inEpoch / settings.accumulate) + 1;
    let batchLoss = 0;
    for (let pass = 0; pass < passes; pass++) {
      // Not where gradients of earlier batches are in one sum with those of this one: what was before it could not be kept.
      const mayEnd = pass === 0 || inUpdate === 0;
      if (mayEnd) signal?.throwIfAborted();
      const feeds = await this.feeds.next(done, mayEnd ? signal : undefined);
      const ended = endsUpdate && pass === passes - 1 ? (inUpdate + 1) * passes : 0;
      const began = performance.now();
      const { loss, isSound } = await this.session.step(update, this.learningRate(update), feeds, ended);
      this.passMs = performance.now() - began;
      this.passesMade = pass + 1;
      if (!Number.isFinite(loss)) throw diverged(done + 1, `a loss of ${loss}`);
      await this.keepProved();
      if (!isSound) throw diverged(done + 1, 'weights or moments that are not finite');
      batchLoss += loss / passes;
    }
    this.passesMade = 0;
    this.progress = { ...this.progress, step: done + 1, epochLoss: this.progress.epochLoss + batchLoss };
  }

  /**
   * Keeps the last whole step for whoever goes on, proved as every checkpoint is: by the loss of a pass that was made, or of one
   * more that updates nothing. Where that would take too long, the last checkpoint that was kept stands.
   */
  private async part(): Promise<void> {
    const { step } = this.progress;
    if (this.unproved?.step !== step) await this.checkpoint();
    if (!this.unproved) return;
    if (this.passesMade === 0) {
      if (this.passMs > PARTING_PASS_MS) return;
      const feeds = await this.feeds.next(step, AbortSignal.timeout(PARTING_PASS_MS));
      const { loss } = await this.session.step(1, 1, feeds, 0);
      if (!Number.isFinite(loss)) return;
    }
    await this.keepProved();
    await this.keeping;
  }

  private learningRate(update: number): number {
    const { settings } = this.options;
    const { start, epochs } = this.progress;
    const losses = [start!.valLoss, ...epochs.map(({ valLoss }) => valLoss)];
    const planned = this.updatesPerEpoch * settings.epochs;
    return learningRateAt(Math.min(update, planned), planned, settings, losses);
  }

  private async scoreStart(validator: Validator, signal: AbortSignal | undefined): Promise<void> {
    const { loss: valLoss, dice: valDice } = await validator.score(await this.session.weights(), signal);
    if (!Number.isFinite(valLoss)) throw unusable(valLoss);
    this.progress = { ...this.progress, start: { valLoss, valDice }, bestValLoss: valLoss };
  }

  private async endEpoch(validator: Validator, signal: AbortSignal | undefined): Promise<void> {
    const weights = await this.session.weights();
    const { loss, dice } = await validator.score(weights, signal);
    const { step, start, epochLoss, epochs, bestValLoss } = this.progress;
    if (!Number.isFinite(loss)) throw diverged(step, `a validation loss of ${loss}`);
    const epoch = epochs.length + 1;
    const figures: EpochFigures = {
      epoch,
      trainLoss: epochLoss / this.batches.perEpoch,
      valLoss: loss,
      valDice: dice,
      learningRate: this.learningRate(epoch * this.updatesPerEpoch),
    };
    const better = loss < bestValLoss;
    if (better) this.best = weights;
    this.progress = {
      ...{ step, start },
      epochLoss: 0,
      epochs: [...epochs, figures],
      bestEpoch: better ? epoch : this.progress.bestEpoch,
      bestValLoss: better ? loss : bestValLoss,
    };
  }

  private async checkpoint(): Promise<void> {
    const { progress, best } = this;
    if (!this.options.onCheckpoint || progress.step === this.keptStep) return;
    const { sum, ...state } = await this.session.state();
    // Between two batches the sum is empty, unless several of them make an update. In the midst of one it is not, but was before.
    const before = this.passesMade > 0 ? new Float32Array(state.weights.length) : sum;
    const kept = this.options.settings.accumulate > 1 ? { ...state, sum: before } : state;
    const bytes = encodeTrainingCheckpoint({ progress, state: kept, best });
    this.unproved = { bytes, step: progress.step, epochs: progress.epochs.length };
  }

  /** Hands the last checkpoint on, once it is known to be good. */
  private async keepProved(): Promise<void> {
    if (!this.unproved) return;
    const { bytes, step, epochs } = this.unproved;
    this.unproved = null;
    await this.keeping;
    this.keptStep = step;
    this.keeping = this.options.onCheckpoint!(bytes, step, epochs);
    // A refusal is heard at the next await; until then it must not count as unhandled.
    this.keeping.catch(() => undefined);
  }

  private report(secondsLeft: number): void {
    const { step, start, epochs, epochLoss } = this.progress;
    const inEpoch = step % this.batches.perEpoch;
    this.options.onStatus?.({
      step,
      steps: this.until * this.batches.perEpoch,
      epoch: Math.min(epochs.length + 1, this.until),
      epochs: this.until,
      trainLoss: inEpoch > 0 ? epochLoss / inEpoch : (epochs.at(-1)?.trainLoss ?? null),
      valDice: (epochs.at(-1) ?? start)?.valDice ?? null,
      secondsLeft,
    });
  }

  private encodeBest(): Uint8Array {
    const { layout, merge } = this.training.learner;
    const { shapes } = this.options.model;
    const tensors = merge(unpackFlat(layout, this.best));
    const names = [...tensors.keys()].sort();
    return encodeSafetensors(
      names.map((name) => [name, { dtype: 'F32', shape: shapes.get(name)!, data: tensors.get(name)! }]),
      { format: 'pt' },
    );
  }

  async close(): Promise<void> {
    await this.keeping.catch(() => undefined);
    await this.session.close();
  }
}

function diverged(step: number, found: string): Fault {
  return new Fault('TRAINING_DIVERGED', {
    at: `step ${step}`,
    found,
    expected: 'finite numbers',
    fix: 'Lower training.learningRate or set training.clipNorm; the last good checkpoint is kept',
  });
}

function unusable(loss: number): Fault {
  return new Fault('TRAINING_DIVERGED', {
    at: 'validation before the first step',
    found: `a loss of ${loss}`,
    expected: 'a finite number',
    fix: 'Set model.precision to float32, or use another checkpoint: this model gives no numbers on these slices',
  });
}

function beginning(weights: Float32Array): Checkpoint {
  const zero = () => new Float32Array(weights.length);
  return {
    progress: { step: 0, epochLoss: 0, start: null, epochs: [], bestEpoch: 0, bestValLoss: Number.POSITIVE_INFINITY },
    state: { weights, first: zero(), second: zero() },
    best: weights,
  };
}
