import { type EncodedPatient, TrainProposerInput, TrainProposerResult } from '../contracts/stages.ts';
import { slicesOf } from '../lib/dataset/slices.ts';
import { decodeSlices } from '../lib/dataset/slices-record.ts';
import { type ProposerSlice, trainProposer } from '../lib/training/train-proposer.ts';
import { activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';
import { encodedDigests, readEmbeddings } from './encoded.ts';
import { modelDigests } from './models.ts';
import type { Sessions } from './sessions.ts';

const VERSION = 1;
const Result = TrainProposerResult.omit({ reused: true, seconds: true });

/** Trains the box proposer for scans without truth on the embeddings that fine-tune learns from. Minutes at most: no checkpoints. */
export const createTrainProposer = ({ artifacts }: ActivityDeps, sessions: Sessions) =>
  activity(TrainProposerInput, async (input, { signal, report, by }): Promise<TrainProposerResult> => {
    const { model, train, val, prompts, structures, seed } = input;
    const { box, minComponentPixels } = prompts;
    const mode = { box, minComponentPixels };
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
        const slices = async (patients: readonly EncodedPatient[]) => {
          const read: ProposerSlice[] = [];
          for (const patient of patients) read.push(...(await labelledSlices(patient)));
          return read;
        };
        const { bytes, ...rest } = await trainProposer({
          ...{ geometry: config, structures, seed, mode, signal, session: sessions.options(model, signal) },
          ...{ train: await slices(train), val: await slices(val) },
          onStep: (step, steps) => report({ step, steps }),
        });
        return { proposer: await artifacts.put('proposer', bytes), ...rest };
      },
    });
    return { ...value, ...outcome };

    async function labelledSlices(patient: EncodedPatient): Promise<ProposerSlice[]> {
      const embeddings = await readEmbeddings(artifacts, patient);
      return slicesOf(decodeSlices(await artifacts.get(patient.slices))).map(({ row, index, mask, stack }) => ({
        ...{ embedding: embeddings[row]!, labels: mask, axis: stack.axis },
        ...{ height: stack.height, width: stack.width, position: (index + 0.5) / stack.total },
      }));
    }
  });
