import { WORKFLOWS } from '../../contracts/messages.ts';
import { readDeletions } from '../../lib/artifacts/deletions.ts';
import { modelNames, promotionsOf } from '../../lib/artifacts/promotion.ts';
import { auditOf, auditOfDeletion, promotionLine, scheduleLine } from '../audit.ts';
import { EXIT } from '../exit-codes.ts';
import { withSession } from '../session.ts';
import { AUTHOR, PREFIX } from './schedule.ts';

/** What people and schedules start; the parts of a run are started by the run. */
const TYPES = [WORKFLOWS.pipeline, WORKFLOWS.crossValidate, WORKFLOWS.infer, WORKFLOWS.retrain];

/**
 * `samflow audit`: who started, cancelled or told which run what and made a schedule, as JSON lines, as far back as Temporal
 * remembers; who promoted a model and had what deleted, as far back as the store does.
 */
export const auditCommand = (): Promise<number> =>
  // What is said to people goes to standard error.
  withSession({ json: true, workers: false }, async ({ platform: { client, store, artifacts }, signal }) => {
    const types = TYPES.map((type) => `'${type}'`).join(', ');
    for await (const { workflowId, runId, type } of client.workflow.list({ query: `WorkflowType IN (${types})` })) {
      signal.throwIfAborted();
      const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
      for (const line of auditOf({ workflow: workflowId, run: runId, type }, events ?? [])) {
        process.stdout.write(`${JSON.stringify(line)}\n`);
      }
    }
    for await (const { scheduleId } of client.schedule.list()) {
      if (!scheduleId.startsWith(PREFIX)) continue;
      const { memo, info } = await client.schedule.getHandle(scheduleId).describe();
      process.stdout.write(`${JSON.stringify(scheduleLine(scheduleId, info.createdAt, memo?.[AUTHOR]))}\n`);
    }
    for (const name of await modelNames(store)) {
      for (const champion of await promotionsOf(artifacts, name)) {
        process.stdout.write(`${JSON.stringify(promotionLine(name, champion))}\n`);
      }
    }
    for (const { value } of await readDeletions(store)) {
      process.stdout.write(`${JSON.stringify(auditOfDeletion(value))}\n`);
    }
    return EXIT.ok;
  });
