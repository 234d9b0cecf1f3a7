import type { InferWorkflowInput, InferWorkflowResult } from '../contracts/pipeline.ts';
import { openBoard } from './board.ts';
import { mapBounded } from './map-bounded.ts';
import { convert, infer, PATIENTS_AT_ONCE } from './options.ts';
import { withFailureSurfaced } from './surface-failure.ts';

/** Segments scans with a model that a run has made: masks on the scans' own grids come out. */
export async function inferWorkflow(input: InferWorkflowInput): Promise<InferWorkflowResult> {
  const board = openBoard('infer', ['convert', 'infer']);
  const masks = await withFailureSurfaced(board, () => {
    board.begin('convert', input.scans.length);
    board.begin('infer', input.scans.length);
    return mapBounded(input.scans, PATIENTS_AT_ONCE, async ({ patient, files }) => {
      const options = { summary: patient };
      const converted = await board.unit('convert', convert.executeWithOptions(options, [{ patient, files }]));
      const { package: model, probability } = input;
      const scan = { package: model, patient, volume: converted.volume, ...(probability && { probability }) };
      return board.unit('infer', infer.executeWithOptions(options, [scan]));
    });
  });
  return { stages: board.summaries(), masks };
}
