import { WORKFLOWS } from '../../contracts/messages.ts';
import { readDeletions } from '../../lib/artifacts/deletions.ts';
import { auditOf, auditOfDeletion } from '../audit.ts';
import { EXIT } from '../exit-codes.ts';
import { withSession } from '../session.ts';

/** What people and schedules start; the parts of a run are started by the run. */
const TYPES = [WORKFLOWS.pipeline, WORKFLOWS.infer, WORKFLOWS.retrain];

/**
 * `samflow audit`: who started, cancelled or told which run what, as JSON lines, as far back as Temporal remembers; and who had what
 * deleted, as far back as the store does.
 */
export const auditCommand = (): Promise<number> =>
  // What is said to people goes to standard error.
  withSession({ json: true, workers: false }, async ({ platform: { client, store }, signal }) => {
    const types = TYPES.map((type) => `'${type}'`).join(', ');
    for await (const { workflowId, runId, type } of client.workflow.list({ query: `WorkflowType IN (${types})` })) {
      signal.throwIfAborted();
      const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
      for (const line of auditOf({ workflow: workflowId, run: runId, type }, events ?? [])) {
        process.stdout.write(`${JSON.stringify(line)}\n`);
      }
    }
    for (const { value } of await readDeletions(store)) {
      process.stdout.write(`${JSON.stringify(auditOfDeletion(value))}\n`);
    }
    return EXIT.ok;
  });
