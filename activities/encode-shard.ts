import type { z } from 'zod';
import { EncodeShardInput, EncodeShardResult } from '../contracts/stages.ts';
import { pixelDigest, runsOf } from '../lib/dataset/shards.ts';
import { type Slice, slicesOf } from '../lib/dataset/slices.ts';
import { decodeSlices } from '../lib/dataset/slices-record.ts';
import { encodeSafetensors } from '../lib/safetensors.ts';
import { activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';
import { EMBEDDINGS, encodeStacks } from './encoded.ts';
import { modelDigests } from './models.ts';
import type { Sessions } from './sessions.ts';

const VERSION = 3;
const Result = EncodeShardResult.pick({ embeddings: true });

/**
 * Image embeddings of some slices: by far the dearest stage, so its result is kept under the pixels themselves. Other
 * masks, another threshold or another name of the patient change nothing, and no slice is ever encoded twice.
 */
export const createEncodeShard = ({ artifacts }: ActivityDeps, sessions: Sessions) => {
  /** Shards of one patient follow each other, and all lie in one artifact. */
  let last: { sha256: string; slices: Slice[] } | null = null;
  const open = async (ref: z.infer<typeof EncodeShardInput>['slices']): Promise<Slice[]> => {
    if (last?.sha256 !== ref.sha256) {
      last = { sha256: ref.sha256, slices: slicesOf(decodeSlices(await artifacts.get(ref))) };
    }
    return last.slices;
  };
  return activity(EncodeShardInput, async ({ model, slices, from, to }, { signal, by }): Promise<EncodeShardResult> => {
    const runs = runsOf((await open(slices)).slice(from, to));
    const { value, ...outcome } = await artifacts.memo({
      stage: 'encode',
      version: VERSION,
      parameters: { runs: runs.map(({ index, height, width }) => [index.length, height, width]) },
      inputs: [...runs.map(pixelDigest), ...modelDigests(model)],
      schema: Result,
      signal,
      by,
      compute: async () => {
        const encoder = await sessions.encoder(model, signal);
        const rows = await encodeStacks(encoder, runs, signal);
        const data = new Uint16Array(rows.length * rows[0]!.length);
        for (const [at, row] of rows.entries()) data.set(row, at * row.length);
        const tensor = { dtype: 'F16' as const, shape: [rows.length, ...encoder.embeddingShape], data };
        return { embeddings: await artifacts.put('embeddings', encodeSafetensors([[EMBEDDINGS, tensor]])) };
      },
    });
    return { ...value, from, to, ...outcome };
  });
};
