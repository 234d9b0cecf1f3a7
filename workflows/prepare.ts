import { ChildWorkflowCancellationType, executeChild, workflowInfo } from '@temporalio/workflow';
import { WORKFLOWS } from '../contracts/messages.ts';
import type { PreparedPatient, PrepareWorkflowInput, PrepareWorkflowResult } from '../contracts/pipeline.ts';
import { type Board, openBoard } from './board.ts';
import type { Lineage } from './lineage.ts';
import { mapBounded } from './map-bounded.ts';
import { convert, PATIENTS_AT_ONCE, PATIENTS_IN_A_CHILD, slice } from './options.ts';
import { withFailureSurfaced } from './surface-failure.ts';

const STAGES = ['convert', 'slice'] as const;
type Wanted = Pick<PrepareWorkflowInput, 'patients' | 'slices'>;

/** Convert and slice for some of a run's patients, where there are more than one history has room for. */
export async function prepareWorkflow(input: PrepareWorkflowInput): Promise<PrepareWorkflowResult> {
  const board = openBoard('prepare', STAGES);
  for (const stage of STAGES) {
    const { done, reused, workSeconds } = input.before[stage];
    board.begin(stage, input.total);
    board.add(stage, done, reused, workSeconds);
  }
  const patients = await withFailureSurfaced(board, () => prepareEach(input, board));
  return { patients, counted: { convert: board.tally('convert'), slice: board.tally('slice') } };
}

/** Convert and slice, each patient by itself: one may be sliced while another is still converted. */
export async function preparePatients(wanted: Wanted, board: Board, lineage: Lineage): Promise<PreparedPatient[]> {
  const total = wanted.patients.length;
  for (const stage of STAGES) board.begin(stage, total);
  const prepared = total > PATIENTS_IN_A_CHILD ? await inChildren(wanted, board) : await prepareEach(wanted, board);
  for (const { volume } of prepared) lineage.add('convert', [volume.volume], volume);
  for (const { slices } of prepared) lineage.add('slice', [slices.slices], slices);
  return prepared;
}

function prepareEach({ patients, slices }: Wanted, board: Board): Promise<PreparedPatient[]> {
  return mapBounded(patients, PATIENTS_AT_ONCE, async ({ patient, files, split }) => {
    const volume = await board.unit('convert', convert.executeWithOptions({ summary: patient }, [{ patient, files }]));
    const sliced = await board.unit(
      'slice',
      slice.executeWithOptions({ summary: patient }, [{ patient, volume: volume.volume, slices }]),
    );
    return { patient, split, volume, slices: sliced };
  });
}

/** One child after another, each with its own history. */
async function inChildren({ patients, slices }: Wanted, board: Board): Promise<PreparedPatient[]> {
  const prepared: PreparedPatient[] = [];
  for (let from = 0; from < patients.length; from += PATIENTS_IN_A_CHILD) {
    const workflowId = `${workflowInfo().workflowId}/prepare-${from / PATIENTS_IN_A_CHILD + 1}`;
    const before = { convert: board.tally('convert'), slice: board.tally('slice') };
    const some = patients.slice(from, from + PATIENTS_IN_A_CHILD);
    board.child(workflowId);
    const { patients: done, counted } = await executeChild<typeof prepareWorkflow>(WORKFLOWS.prepare, {
      workflowId,
      args: [{ patients: some, slices, before, total: patients.length }],
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      staticSummary: `patients ${from + 1} to ${from + some.length} of ${patients.length}`,
    });
    for (const stage of STAGES) {
      const { done, reused, workSeconds } = counted[stage];
      board.add(
        stage,
        done - before[stage].done,
        reused - before[stage].reused,
        workSeconds - before[stage].workSeconds,
      );
    }
    prepared.push(...done);
  }
  board.child(null);
  return prepared;
}
