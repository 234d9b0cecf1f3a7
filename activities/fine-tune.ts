import type { ArtifactRef } from '../contracts/artifact.ts';
import { MESSAGES } from '../contracts/messages.ts';
import {
  type EncodedPatient,
  FineTuneInput,
  type FineTuneProgress,
  FineTuneResult,
  type FineTuneInput as Input,
} from '../contracts/stages.ts';
import { chainKey, type MemoIdentity, memoKey } from '../lib/artifacts/keys.ts';
import { drawingOf } from '../lib/dataset/prompts.ts';
import { slicesOf as slicesIn } from '../lib/dataset/slices.ts';
import { decodeSlices } from '../lib/dataset/slices-record.ts';
import { fineTune } from '../lib/training/fine-tune.ts';
import { imageInput } from '../lib/training/mask-training.ts';
import type { TrainingSlice } from '../lib/training/samples.ts';
import { type Attempt, activity } from './activity.ts';
import { branchCheckpoint } from './branch.ts';
import { epochsInChain, openCheckpointChain } from './checkpoint-chain.ts';
import type { ActivityDeps } from './deps.ts';
import { encodedDigests } from './encoded.ts';
import { modelDigests } from './models.ts';
import { type Moves, whileMoving } from './moves.ts';
import { boxSetting } from './predictor.ts';
import type { Sessions } from './sessions.ts';
import { type TrainingEmbeddings, withTrainingEmbeddings } from './training-embeddings.ts';

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
    const own = identityOf(input);
    const branch = (input.branch && (await branchCheckpoint(input.branch, own, deps.store))) ?? null;
    const training = branch ? branched(own, input.branch!.epoch, branch) : own;
    const chain = chainKey(memoKey(training), attempt.by.token);
    const until = await lastEpoch(input, chain, deps);
    const { value, ...outcome } = await deps.artifacts.memo({
      ...(until === input.training.epochs ? training : endingWith(until, training)),
      schema: Result,
      signal: attempt.signal,
      by: attempt.by,
      compute: async () => {
        await sessions.release();
        return withTrainingEmbeddings(deps, (embeddings) =>
          whileMoving(attempt, (moves) =>
            train(input, { key: chain, until, branch }, embeddings, deps, sessions, attempt, moves),
          ),
        );
      },
    });
    return { ...value, ...outcome };
  });

/** The epoch after which this training ends, unless its patience does before. */
async function lastEpoch({ training, until = training.epochs, stop }: Input, chain: string, deps: ActivityDeps) {
  return stop ? Math.min(until, Math.max(1, await epochsInChain(deps, chain))) : until;
}

/**
 * A training that ends sooner or later than planned makes the very steps of the planned one, and so shares its checkpoints; its
 * result is its own: a run that asks for the planned one does not take it.
 */
function endingWith(until: number, training: MemoIdentity): MemoIdentity {
  return { ...training, parameters: { ...(training.parameters as object), until } };
}

/** What decides every step of a training. How often a checkpoint is written does not, nor with which epoch it ends. */
function identityOf({ model, train, val, prompts, training }: Input): MemoIdentity {
  const { checkpointEverySteps, ...decisive } = training;
  return {
    stage: 'fine-tune',
    version: VERSION,
    parameters: { training: decisive, prompts: { ...boxSetting(prompts), ...drawingOf(prompts) }, train: train.length },
    inputs: [...modelDigests(model), ...[...train, ...val].flatMap(encodedDigests)],
  };
}

/** A branch's result is its own: the checkpoint that it goes on from is part of what decides it. */
const branched = ({ parameters, ...rest }: MemoIdentity, epoch: number, { sha256 }: ArtifactRef): MemoIdentity => ({
  ...rest,
  parameters: { ...(parameters as object), branch: { epoch, checkpoint: sha256 } },
});

async function train(
  { model, train, val, prompts, training }: Input,
  { key, until, branch }: { readonly key: string; readonly until: number; readonly branch: ArtifactRef | null },
  embeddings: TrainingEmbeddings,
  deps: ActivityDeps,
  sessions: Sessions,
  attempt: Attempt,
  moves: Moves,
): Promise<Result> {
  const { artifacts } = deps;
  const { signal } = attempt;
  const from = imageInput(training.train);
  const slices = (of: readonly EncodedPatient[]) =>
    slicesOf(of, from === 'embeddings' ? embeddings : null, prompts, deps, signal);
  const opening = sessions.models.open(model, from === 'embeddings' ? 'decoder' : 'whole');
  // Heard of below: patients are read meanwhile, one at a time.
  opening.catch(() => undefined);
  const data = { train: await slices(train), val: await slices(val), model: await opening };
  embeddings.fetchAhead();
  // Not before: another run may be at this training too, and is fenced out from here on.
  const chain = await openCheckpointChain(deps, key, until);
  const progress = openProgress(attempt, deps, moves);
  let checkpoint = chain.last?.checkpoint ?? branch;
  const resume = chain.last?.bytes ?? (branch && (await artifacts.get(branch)));
  const trained = await fineTune({
    ...data,
    settings: { ...training, ...drawingOf(prompts) },
    until,
    session: sessions.options(model, signal),
    ...(resume && { resume }),
    signal,
    onStatus: (status) => progress.show({ ...status, checkpoint }),
    onWait: (seconds) => deps.observer?.waited(seconds),
    // Also when the signal has aborted: what this attempt leaves behind, the next one goes on from. The fence keeps order.
    onCheckpoint: async (bytes, step, epochs) => {
      checkpoint = await chain.commit(step, bytes, epochs);
      moves.made();
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
  embeddings: TrainingEmbeddings | null,
  setting: Input['prompts'],
  { artifacts, compute }: ActivityDeps,
  signal: AbortSignal,
): Promise<TrainingSlice[]> {
  const found: TrainingSlice[] = [];
  for (const patient of patients) {
    const own = await embeddings?.of(patient);
    const { objects, slices } = await compute.run(
      'objects',
      { slices: await artifacts.get(patient.slices), setting },
      signal,
    );
    for (const { row, pixels, stack } of slicesIn(decodeSlices(slices))) {
      const { height, width } = stack;
      found.push({ image: own?.[row] ?? pixels, height, width, objects: objects[row]! });
    }
  }
  return found;
}

/** Signals make history, so the workflow hears of an epoch only so often, and of the end; heartbeats carry every step. */
const TELL_EVERY_MS = 5_000;

function openProgress({ report, tell, run }: Attempt, { observer }: ActivityDeps, moves: Moves) {
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
      report({ ...progress, movedAt: moves.movedAt } satisfies FineTuneProgress);
      observer?.trained(run, progress);
      if (progress.epoch !== told?.epoch && performance.now() - toldAt >= TELL_EVERY_MS) say(progress);
    },
    end(): void {
      if (last && last.step !== told?.step) say(last);
    },
  };
}
