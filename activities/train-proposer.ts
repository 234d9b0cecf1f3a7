import { type EncodedPatient, TrainProposerInput, TrainProposerResult } from '../contracts/stages.ts';
import { slicesOf } from '../lib/dataset/slices.ts';
import { decodeSlices } from '../lib/dataset/slices-record.ts';
import { type ProposerSlice, trainProposer } from '../lib/training/train-proposer.ts';
import { activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';
import { encodedDigests } from './encoded.ts';
import { modelDigests } from './models.ts';
import type { Sessions } from './sessions.ts';
import { type TrainingEmbeddings, withTrainingEmbeddings } from './training-embeddings.ts';

const VERSION = 1;
const Result = TrainProposerResult.omit({ reused: true, seconds: true });

/** Trains the box proposer for scans without truth on the embeddings that fine-tune learns from. Minutes at most: no checkpoints. */
export const createTrainProposer = (deps: ActivityDeps, sessions: Sessions) =>
  activity(TrainProposerInput, async (input, { signal, report, by }): Promise<TrainProposerResult> => {
    const { model, train, val, prompts, structures, seed } = input;
    const { box, minComponentPixels } = prompts;
    const mode = { box, minComponentPixels };
    const { artifacts } = deps;
    const { value, ...outcome } = await artifacts.memo({
      stage: 'train-proposer',
      version: VERSION,
      parameters: { ...mode, structures, seed, train: train.length },
      inputs: [...modelDigests(model), ...[...train, ...val].flatMap(encodedDigests)],
      schema: Result,
      signal,
      by,
      compute: async () => {
        await sessions.release();
        const { config } = await sessions.models.open(model, 'decoder');
        const { bytes, ...rest } = await withTrainingEmbeddings(deps, async (embeddings) => {
          const data = { train: await slices(train, embeddings), val: await slices(val, embeddings) };
          embeddings.fetchAhead();
          return trainProposer({
            ...{ geometry: config, structures, seed, mode, signal, session: sessions.options(model, signal), ...data },
            onStep: (step, steps) => report({ step, steps }),
          });
        });
        return { proposer: await artifacts.put('proposer', bytes), ...rest };
      },
    });
    return { ...value, ...outcome };

    async function slices(patients: readonly EncodedPatient[], embeddings: TrainingEmbeddings) {
      const read: ProposerSlice[] = [];
      for (const patient of patients) {
        const rows = await embeddings.of(patient);
        for (const { row, index, mask, stack } of slicesOf(decodeSlices(await artifacts.get(patient.slices)))) {
          const position = (index + 0.5) / stack.total;
          const { axis, height, width } = stack;
          read.push({ embedding: rows[row]!, labels: mask, axis, height, width, position });
        }
      }
      return read;
    }
  });
