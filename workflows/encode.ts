import { continueAsNew, workflowInfo } from '@temporalio/workflow';
import type { MemoUse } from '../contracts/memo.ts';
import type { EncodeWorkflowInput } from '../contracts/pipeline.ts';
import type { EncodeResult, EncodeShardResult } from '../contracts/stages.ts';
import { openBoard } from './board.ts';
import { openGate } from './control.ts';
import { mapBounded } from './map-bounded.ts';
import { fitting } from './message-limit.ts';
import { encodeShard, indexEmbeddings } from './options.ts';
import { openEncoded, type Shard, shardsOf } from './shards.ts';
import { withFailureSurfaced } from './surface-failure.ts';

/** So many shards can be explained, and no more stand in a history. */
const MOST_USES = 500;

/**
 * The fan-out over shards of slices, as a child of its own: a data set of any size goes through a window of bounded width,
 * and a history that grows long goes on in a new one with what is done so far. What is carried over is bounded too: of many
 * shards, the finished ones stand on lists in the store.
 */
export async function encodeWorkflow(input: EncodeWorkflowInput): Promise<EncodeResult> {
  const board = openBoard('encode', ['encode']);
  const control = openGate(input.paused);
  const tally = { shards: 0, reused: 0, seconds: 0, ...input.tally };
  const uses: MemoUse[] = [...(input.uses ?? [])];
  const again = input.fresh === undefined ? {} : { fresh: input.fresh };
  const done = input.done ?? [];
  const encoded = openEncoded(input, done, input.indexed ?? false);
  const shards = shardsOf(input, done);

  const encodeOne = async (shard: Shard): Promise<void> => {
    const { patient, slices, from, to } = shard;
    const summary = `${patient} slices ${from}-${to - 1}`;
    const work = encodeShard.executeWithOptions({ summary }, [{ model: input.model, slices, from, to, ...again }]);
    const result = await board.unit('encode', work);
    count(tally, result);
    const { embeddings, key, reused, cause } = result;
    if (key && uses.length < MOST_USES) uses.push({ key, reused, ...(cause && { cause }), patient });
    const due = encoded.add(shard, embeddings);
    if (due) encoded.replace(patient, due, (await indexEmbeddings({ shards: due })).index);
  };

  const result = await withFailureSurfaced(board, async () => {
    board.begin('encode', tally.shards + shards.length);
    board.add('encode', tally.shards, tally.reused, tally.seconds);
    // Shards that nobody has started when a new history is due are left to it.
    await mapBounded(shards, input.width, async (shard) => {
      await control.gate();
      if (!workflowInfo().continueAsNewSuggested) await encodeOne(shard);
    });
    const patients = encoded.patients();
    if (shardsOf(input, patients).length > 0) return null;
    const reused = tally.reused === tally.shards;
    return fitting('encode', { patients, uses, reused, seconds: toMilliseconds(tally.seconds) });
  });
  if (result) return result;
  const begun = encoded.patients().filter(({ shards }) => shards.length > 0);
  const paused = control.isPaused();
  return continueAsNew<typeof encodeWorkflow>({ ...input, done: begun, tally, uses, paused });
}

/** Shards end in any order, and the last bits of a sum depend on it. */
const toMilliseconds = (seconds: number): number => Math.round(seconds * 1000) / 1000;

function count(tally: { shards: number; reused: number; seconds: number }, shard: EncodeShardResult): void {
  tally.shards += 1;
  tally.reused += shard.reused ? 1 : 0;
  tally.seconds += shard.seconds;
}
