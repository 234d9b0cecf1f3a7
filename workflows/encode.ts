import { continueAsNew, workflowInfo } from '@temporalio/workflow';
import type { EncodeWorkflowInput } from '../contracts/pipeline.ts';
import type { EncodedPatient, EncodeResult, EncodeShardResult } from '../contracts/stages.ts';
import { openBoard } from './board.ts';
import { openGate } from './control.ts';
import { mapBounded } from './map-bounded.ts';
import { encodeShard } from './options.ts';
import { type Shard, shardsOf } from './shards.ts';
import { withFailureSurfaced } from './surface-failure.ts';

/**
 * The fan-out over shards of slices, as a child of its own: a data set of any size goes through a window of bounded width,
 * and a history that grows long goes on in a new one with what is done so far.
 */
export async function encodeWorkflow(input: EncodeWorkflowInput): Promise<EncodeResult> {
  const board = openBoard('encode', ['encode']);
  const control = openGate(input.paused);
  const tally = { shards: 0, reused: 0, seconds: 0, ...input.tally };
  const patients = input.patients.map(({ patient, slices }): EncodedPatient => {
    const before = input.done?.find((candidate) => candidate.patient === patient);
    return { patient, slices, shards: [...(before?.shards ?? [])] };
  });
  const shards = shardsOf(input, input.done);

  const encodeOne = async ({ patient, slices, from, to }: Shard): Promise<void> => {
    const shard = { model: input.model, slices, from, to };
    const summary = `${patient} slices ${from}-${to - 1}`;
    const encoded = await board.unit('encode', encodeShard.executeWithOptions({ summary }, [shard]));
    count(tally, encoded);
    const { embeddings } = encoded;
    patients.find((candidate) => candidate.patient === patient)?.shards.push({ embeddings, from, to });
  };

  await withFailureSurfaced(board, async () => {
    board.begin('encode', tally.shards + shards.length);
    board.add('encode', tally.shards, tally.reused, tally.seconds);
    // Shards that nobody has started when a new history is due are left to it.
    await mapBounded(shards, input.width, async (shard) => {
      await control.gate();
      if (!workflowInfo().continueAsNewSuggested) await encodeOne(shard);
    });
  });
  for (const patient of patients) patient.shards.sort((a, b) => a.from - b.from);
  if (shardsOf(input, patients).length > 0) {
    return continueAsNew<typeof encodeWorkflow>({ ...input, done: patients, tally, paused: control.isPaused() });
  }
  return { patients, reused: tally.reused === tally.shards, seconds: toMilliseconds(tally.seconds) };
}

/** Shards end in any order, and the last bits of a sum depend on it. */
const toMilliseconds = (seconds: number): number => Math.round(seconds * 1000) / 1000;

function count(tally: { shards: number; reused: number; seconds: number }, shard: EncodeShardResult): void {
  tally.shards += 1;
  tally.reused += shard.reused ? 1 : 0;
  tally.seconds += shard.seconds;
}
