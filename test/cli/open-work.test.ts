import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import type { Platform } from '../../cli/dev/platform.ts';
import { openWork } from '../../cli/open-work.ts';
import { artifactRefsIn } from '../../lib/artifacts/manifest.ts';
import { assertRejectsWithFault } from '../helpers/faults.ts';

const ref = (digit: string) => {
  const sha256 = digit.repeat(64);
  return { kind: 'weights', key: `cas/sha256/${sha256}`, sha256, bytes: 1 };
};
const payloads = (value: unknown) => ({ payloads: [defaultPayloadConverter.toPayload(value)] });

/** A server with one schedule and one open workflow. */
function platformWith(input: { payloads: (Payload | undefined)[] }): Platform {
  const events = [
    { workflowExecutionStartedEventAttributes: { input } },
    { activityTaskCompletedEventAttributes: { result: payloads({ embeddings: ref('2') }) } },
  ];
  const pendingActivities = [{ heartbeatDetails: payloads({ checkpoint: ref('3') }) }];
  const workflow = { fetchHistory: async () => ({ events }), describe: async () => ({ raw: { pendingActivities } }) };
  const schedule = { describe: async () => ({ action: { args: [{ spec: ref('4') }] } }) };
  async function* list<T>(item: T) {
    yield item;
  }
  const client = {
    options: { loadedDataConverter: { payloadCodecs: [], payloadConverter: defaultPayloadConverter } },
    workflow: { list: () => list({ workflowId: 'run', runId: 'id' }), getHandle: () => workflow },
    schedule: { list: () => list({ scheduleId: 'retrain-lungs' }), getHandle: () => schedule },
  };
  return { client } as unknown as Platform;
}

describe('open work', () => {
  it('names what workflows were given, have got and have told, and what schedules will give', async () => {
    const found = await openWork(platformWith(payloads({ spec: ref('1') })));
    const digits = artifactRefsIn(found).map(({ sha256 }) => sha256[0]);
    assert.deepEqual(digits.sort(), ['1', '2', '3', '4']);
  });

  it('is not guessed at: a history that cannot be read is a fault', async () => {
    const sealed = { metadata: { encoding: Buffer.from('binary/encrypted') }, data: Buffer.from('?') };
    await assertRejectsWithFault(
      openWork(platformWith({ payloads: [sealed] })),
      'GC_UNSURE',
      /^run: found an open workflow/,
    );
  });
});
