import { ChosenSlices } from '../../contracts/config.ts';
import { WORKFLOWS } from '../../contracts/messages.ts';
import type { EncodeWorkflowInput, PrepareWorkflowInput } from '../../contracts/pipeline.ts';
import { testEnv } from '../helpers/dev-servers.ts';
import { openDoubled } from '../helpers/doubled-activities.ts';
import { noOpStages, patientAt, refOf } from '../helpers/no-op-stages.ts';
import { openHistories } from './save.ts';

/**
 * Records what only very large runs start, with few patients and stages that do nothing:
 *   node --import tsx test/histories/record-children.ts
 */
const keys = [1, 2, 3].map(patientAt);
const { stages, model } = noOpStages({ patients: keys.length, slices: 5, embeddingShape: [1, 1, 1] });
const none = { done: 0, reused: 0, workSeconds: 0 };
const prepare: PrepareWorkflowInput = {
  patients: keys.map((patient) => ({ patient, files: refOf('patient-files', patient), split: null })),
  slices: ChosenSlices.parse({}),
  before: { convert: none, slice: none },
  total: keys.length,
};
const encode: EncodeWorkflowInput = {
  ...{ model, shardSlices: 2, width: 2, indexed: true },
  patients: keys.map((patient) => ({ patient, slices: refOf('slices', patient), count: 5 })),
};

const temporal = await openDoubled('../../workflows/index.ts', stages);
try {
  const save = await openHistories(temporal.address, testEnv());
  for (const [name, workflow, input] of [
    ['prepare', WORKFLOWS.prepare, prepare],
    ['encode-indexed', WORKFLOWS.encode, encode],
  ] as const) {
    const run = await temporal.start(workflow, input);
    await run.result();
    await save(name, run.workflowId);
  }
} finally {
  await temporal.close();
}
