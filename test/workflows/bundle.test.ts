import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { WORKFLOWS } from '../../contracts/messages.ts';

const INDEX = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));

/** Loads a bundle as a worker does, in a context that has little of Node, and asks it for its workflows. */
function exportsOf({ code }: WorkflowBundleWithSourceMap): string[] {
  const globals = { AsyncLocalStorage, TextEncoder, TextDecoder, URL, AbortController, console };
  const context = createContext({ ...globals, __webpack_module_cache__: {} });
  runInContext(code, context);
  return Object.keys(runInContext('__TEMPORAL__.importWorkflows()', context));
}

describe('the workflow bundle', () => {
  let bundle: WorkflowBundleWithSourceMap;
  before(async () => {
    bundle = await bundleWorkflowCode({ workflowsPath: INDEX, logger: new DefaultLogger('ERROR') });
  });

  it('exports the workflows that contracts name, and no others', () => {
    assert.deepEqual(exportsOf(bundle).sort(), Object.values(WORKFLOWS).sort());
  });

  it('is small: neither zod nor the library nor an S3 client got in', () => {
    assert.ok(bundle.code.length < 2.5e6, `${bundle.code.length} characters`);
    for (const stranger of ['node_modules/zod', '@aws-sdk', 'onnxruntime', 'safetensors']) {
      assert.ok(!bundle.code.includes(stranger), stranger);
    }
  });
});
