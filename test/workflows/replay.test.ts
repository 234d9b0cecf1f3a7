import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  bundleWorkflowCode,
  DefaultLogger,
  Runtime,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { WORKFLOWS as WORKFLOW_NAMES } from '../../contracts/messages.ts';
import { WORKFLOW_MODULE } from '../../workers/tracing.ts';
import { readHistory } from '../helpers/history.ts';

const FOLDER = new URL('../histories/', import.meta.url);
const WORKFLOWS = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));
const names = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));

interface History {
  readonly events: {
    readonly workflowExecutionStartedEventAttributes?: { workflowId: string; workflowType: { name: string } };
    readonly activityTaskScheduledEventAttributes?: { activityType: { name: string } };
  }[];
}
const startOf = (json: string) => (JSON.parse(json) as History).events[0]!.workflowExecutionStartedEventAttributes!;
/** Children are called after their parent. */
const workflowIdOf = (json: string): string => startOf(json).workflowId;
const typeOf = (json: string): string => startOf(json).workflowType.name;

/**
 * Runs that are open when a new version is installed go on under it, so the new code must take the decisions of the old.
 * A test that fails here says: see "Change a workflow" in CONTRIBUTING.md.
 */
const logger = new DefaultLogger('ERROR');
before(() => Runtime.install({ logger }));

/** An installation turns traces on and off while runs are open: with or without them, the decisions must be the same. */
for (const [how, workflowInterceptorModules] of [
  ['', []],
  [', traced', [WORKFLOW_MODULE]],
] as const) {
  describe(`today’s workflows${how}`, () => {
    let workflowBundle: WorkflowBundleWithSourceMap;
    before(async () => {
      const modules = [...workflowInterceptorModules];
      workflowBundle = await bundleWorkflowCode({
        ...{ workflowsPath: WORKFLOWS, logger },
        ...{ workflowInterceptorModules: modules },
      });
    });
    const replay = (json: string) => Worker.runReplayHistory({ workflowBundle }, readHistory(json), workflowIdOf(json));

    for (const name of names) {
      it(`decide as they did when ${name} was recorded`, async () => {
        await replay(readFileSync(new URL(name, FOLDER), 'utf8'));
      });

      it(`are found out where they decide otherwise than ${name}`, async () => {
        const text = readFileSync(new URL(name, FOLDER), 'utf8');
        await assert.rejects(replay(altered(text)), { name: 'DeterminismViolationError' });
      });
    }
  });
}

describe('histories', () => {
  it('of each workflow have been recorded', () => {
    const recorded = new Set(names.map((name) => typeOf(readFileSync(new URL(name, FOLDER), 'utf8'))));
    assert.deepEqual([...recorded].sort(), Object.values(WORKFLOW_NAMES).sort());
  });
});

/** The history of a workflow that had another activity done first. */
function altered(text: string): string {
  const history = JSON.parse(text) as History;
  const first = history.events.find((event) => event.activityTaskScheduledEventAttributes);
  first!.activityTaskScheduledEventAttributes!.activityType.name = 'anotherActivity';
  return JSON.stringify(history);
}
