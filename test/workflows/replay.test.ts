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
import { WORKFLOW_MODULE } from '../../workers/tracing.ts';
import { readHistory } from '../helpers/history.ts';

const FOLDER = new URL('../histories/', import.meta.url);
const WORKFLOWS = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));
const names = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));

/** Children are called after their parent. */
const workflowIdOf = (json: string): string =>
  JSON.parse(json).events[0].workflowExecutionStartedEventAttributes.workflowId;

/**
 * Runs that are open when a new version is installed go on under it, so the new code must take the decisions of the old.
 * A test that fails here says: guard the change with `patched`, or record anew (histories/record.ts) before the first release.
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
    }

    it('are found out where they decide otherwise', async () => {
      const text = readFileSync(new URL('pipeline.json', FOLDER), 'utf8');
      await assert.rejects(replay(text.replaceAll('"fineTune"', '"tune"')), {
        name: 'DeterminismViolationError',
      });
    });
  });
}
