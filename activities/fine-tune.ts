import { MESSAGES } from '../contracts/messages.ts';
import {
  type EncodedPatient,
  FineTuneInput,
  type FineTuneProgress,
  FineTuneResult,
  type FineTuneInput as Input,
} from '../contracts/stages.ts';
import { type MemoIdentity, memoKey } from '../lib/artifacts/keys.ts';
import { slicesOf as slicesIn } from '../lib/dataset/slices.ts';
import { decodeSlices } from '../lib/dataset/slices-record.ts';
import { fineTune } from '../lib/training/fine-tune.ts';
import { imageInput } from '../lib/training/mask-training.ts';
import type { TrainingSlice } from '../lib/training/samples.ts';
import { type Attempt, activity } from './activity.ts';
import { openCheckpointChain } from './checkpoint-chain.ts';
import type { ActivityDeps } from './deps.ts';
import { encodedDigests, readEmbeddings } from './encoded.ts';
import { modelDigests } from './models.ts';
import { boxSetting } from './predictor.ts';
import type { Sessions } from './sessions.ts';

const VERSION = 5;
const Result = FineTuneResult.omit({ reused: true, seconds: true });
type Result = Omit<FineTuneResult, 'reused' | 'seconds'>;

/**
 * Trains on cached embeddings, or on pixels where the encoder learns. Checkpoints go into the store as a fenced chain; an
 * attempt goes on from the chain's end, whoever wrote it, and ends with the very bits of an attempt that was never
 * interrupted.
 */
export const createFineTune = (deps: ActivityDeps, sessions: Sessions) =>
  activity(FineTuneInput, async (input, attempt): Promise<FineTuneResult> => {
    const identity = identityOf(input);
    const { value, reused, seconds } = await deps.artifacts.memo({
      ...identity,
      schema: Result,
      signal: attempt.signal,
      compute: async () => {
        await sessions.release();
        return train(input, memoKey(identity), deps, sessions, attempt);
      },
    });
    return { ...value, reused, seconds };
  });

/** What decides the trained weights. How often a checkpoint is written does not. */
function identityOf({ model, train, val, prompts, training }: Input): MemoIdentity {
  const { checkpointEverySteps, ...decisive } = training;
  const { jitter, jitterPixels } = prompts;
  return {
    stage: 'fine-tune',
    version: VERSION,
    parameters: { training: decisive, prompts: { ...boxSetting(prompts), jitter, jitterPixels }, train: train.length },
    inputs: [...modelDigests(model), ...[...train, ...val].flatMap(encodedDigests)],
  };
}

async function train(
  { model, train, val, prompts, training }: Input,
  key: string,
  deps: ActivityDeps,
  sessions: Sessions,
  attempt: Attempt,
): Promise<Result> {
  const { artifacts } = deps;
  const { signal } = attempt;
  const from = imageInput(training.train);
  const data = {
    model: await sessions.models.open(model, from === 'embeddings' ? 'decoder' : 'whole'),
    train: await slicesOf(train, from, prompts, deps, signal),
    val: await slicesOf(val, from, prompts, deps, signal),
  };
  // Not before: another run may be at this training too, and is fenced out from here on.
  const chain = await openCheckpointChain(deps, key.replace(/^.*\/|\.json$/g, ''));
  const progress = openProgress(attempt, deps);
  let checkpoint = chain.last?.checkpoint ?? null;
  const { jitter, jitterPixels } = prompts;
  const trained = await fineTune({
    ...data,
    settings: { ...training, jitter, jitterPixels },
    session: sessions.options(model),
    ...(chain.last && { resume: chain.last.bytes }),
    signal,
    onStatus: (status) => progress.show({ ...status, checkpoint }),
    onCheckpoint: async (bytes, step) => {
      signal.throwIfAborted();
      checkpoint = await chain.commit(step, bytes);
    },
  });
  progress.end();
  const { steps, start, epochs, bestEpoch, bestValLoss } = trained;
  return {
    weights: await artifacts.put('weights', trained.weights),
    curves: await artifacts.putJson('curves', { start, epochs }),
    ...{ steps, bestEpoch, bestValLoss },
  };
}

/** Every slice with its objects, and with its embedding or, where the encoder learns, its pixels. */
async function slicesOf(
  patients: readonly EncodedPatient[],
  from: ReturnType<typeof imageInput>,
  setting: Input['prompts'],
  { artifacts, compute }: ActivityDeps,
  signal: AbortSignal,
): Promise<TrainingSlice[]> {
  const slices: TrainingSlice[] = [];
  for (const patient of patients) {
    // What is given to a task moves to its thread; the pixels are read again.
    const rows = await compute.run('prompts', { slices: await artifacts.get(patient.slices), setting }, signal);
    const embeddings = from === 'embeddings' ? await readEmbeddings(artifacts, patient) : null;
    for (const { row, pixels, stack } of slicesIn(decodeSlices(await artifacts.get(patient.slices)))) {
      const objects = rows[row]!.map(({ box, componentMask: mask }) => ({ box, mask }));
      slices.push({ image: embeddings?.[row] ?? pixels, height: stack.height, width: stack.width, objects });
    }
  }
  return slices;
}

/** Signals make history, so the workflow hears of an epoch only so often, and of the end; heartbeats carry every step. */
const TELL_EVERY_MS = 5_000;

function openProgress({ report, tell, run }: Attempt, { observer }: ActivityDeps) {
  let toldAt = Number.NEGATIVE_INFINITY;
  let told: FineTuneProgress | null = null;
  let last: FineTuneProgress | null = null;
  const say = (progress: FineTuneProgress): void => {
    [toldAt, told] = [performance.now(), progress];
    tell(MESSAGES.fineTuneProgress, progress);
  };
  return {
    show(progress: FineTuneProgress): void {
      last = progress;
      report(progress);
      observer?.trained(run, progress);
      if (progress.epoch !== told?.epoch && performance.now() - toldAt >= TELL_EVERY_MS) say(progress);
    },
    end(): void {
      if (last && last.step !== told?.step) say(last);
    },
  };
}
