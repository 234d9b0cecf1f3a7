import type { z } from 'zod';
import { EncodeShardInput, EncodeShardResult } from '../contracts/stages.ts';
import { sha256Hex } from '../lib/artifacts/keys.ts';
import { decodeSlices, type SliceStack } from '../lib/dataset/slices.ts';
import { encodeSafetensors } from '../lib/safetensors.ts';
import { activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';
import { EMBEDDINGS } from './encoded.ts';
import { modelDigests } from './models.ts';
import type { Sessions } from './sessions.ts';

const VERSION = 2;
const Result = EncodeShardResult.pick({ embeddings: true });

/**
 * Image embeddings of some slices: by far the dearest stage, so its result is kept under the pixels themselves. Other
 * masks, another threshold or another name of the patient change nothing, and no slice is ever encoded twice.
 */
export const createEncodeShard = ({ artifacts }: ActivityDeps, sessions: Sessions) => {
  /** Shards of one patient follow each other, and all lie in one artifact. */
  let last: { sha256: string; stack: SliceStack } | null = null;
  const open = async (ref: z.infer<typeof EncodeShardInput>['slices']): Promise<SliceStack> => {
    if (last?.sha256 !== ref.sha256) last = { sha256: ref.sha256, stack: decodeSlices(await artifacts.get(ref)) };
    return last.stack;
  };
  return activity(EncodeShardInput, async ({ model, slices, from, to }, { signal, by }): Promise<EncodeShardResult> => {
    const { pixels, height, width } = await open(slices);
    const shard = pixels.subarray(from * height * width, to * height * width);
    const count = to - from;
    const { value, ...outcome } = await artifacts.memo({
      stage: 'encode',
      version: VERSION,
      parameters: { count, height, width },
      inputs: [sha256Hex(shard), ...modelDigests(model)],
      schema: Result,
      signal,
      by,
      compute: async () => {
        const encoder = await sessions.encoder(model);
        const data = await encoder.encode(shard, count, height, width, signal);
        const tensor = { dtype: 'F16' as const, shape: [count, ...encoder.embeddingShape], data };
        return { embeddings: await artifacts.put('embeddings', encodeSafetensors([[EMBEDDINGS, tensor]])) };
      },
    });
    return { ...value, from, to, ...outcome };
  });
};
