import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { z } from 'zod';
import { activity } from '../../activities/activity.ts';
import { Fault } from '../../lib/fault.ts';

const Input = z.object({ patient: z.string().optional() });
const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('an activity', () => {
  it('tells the server twice a second that it lives, with what the stage reported last', async () => {
    mock.timers.enable({ apis: ['setInterval'] });
    try {
      const environment = new MockActivityEnvironment();
      const beats: unknown[] = [];
      environment.on('heartbeat', (details) => beats.push(details));
      let end = (): void => undefined;
      const running = environment.run(
        activity(Input, async (_, { report }) => {
          report({ step: 1 });
          await new Promise<void>((resolve) => {
            end = resolve;
          });
        }),
        {},
      );
      await soon();
      mock.timers.tick(1_500);
      assert.deepEqual(beats, [{ step: 1 }, { step: 1 }, { step: 1 }]);
      end();
      await running;
      mock.timers.tick(5_000);
      assert.equal(beats.length, 3);
    } finally {
      mock.timers.reset();
    }
  });

  it('ends as cancelled, however the stage ended after the cancellation', async () => {
    const environment = new MockActivityEnvironment();
    const running = environment.run(
      activity(Input, async (_, { signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        throw new Error('socket hang up');
      }),
      {},
    );
    environment.cancel('CANCELLED');
    await assert.rejects(running, CancelledFailure);
  });

  it('fails with the code of the fault, and names the patient by key only', async () => {
    const stage = activity(Input, async () => {
      throw new Fault('MASK_EMPTY', { at: 'm.nii', found: 'nothing', expected: 'voxels', fix: 'Leave it out' });
    });
    await assert.rejects(new MockActivityEnvironment().run(stage, { patient: 'p-0123456789ab' }), (error: Error) => {
      const { type, nonRetryable, details } = error as Error & {
        type: string;
        nonRetryable: boolean;
        details: unknown[];
      };
      assert.deepEqual([type, nonRetryable], ['MASK_EMPTY', true]);
      assert.equal((details[0] as { patient: string }).patient, 'p-0123456789ab');
      return true;
    });
  });

  it('leaves in the worker’s log where an error of nobody’s input happened, without what it says', async () => {
    const logged: string[] = [];
    const logger = new DefaultLogger('WARN', ({ message, meta }) => logged.push(JSON.stringify([message, meta])));
    const stage = activity(Input, async () => {
      throw new Error('/data/Doe_John is odd\n    and more of it');
    });
    await assert.rejects(new MockActivityEnvironment({}, { logger }).run(stage, {}), /^ApplicationFailure: Error \[/);
    assert.match(logged.join(), /at .*activity\.test\.ts:\d+/);
    assert.doesNotMatch(logged.join(), /Doe|and more/);
  });

  it('refuses an input of another form', async () => {
    const stage = activity(z.strictObject({ a: z.number() }), async () => undefined);
    await assert.rejects(new MockActivityEnvironment().run(stage, { a: 'x' as never }), /\[INTERNAL_ERROR\]/);
  });

  it('hands on what it has reported last, before it fails', async () => {
    const environment = new MockActivityEnvironment();
    const beats: unknown[] = [];
    environment.on('heartbeat', (details) => beats.push(details));
    const stage = activity(Input, async (_, { report }) => {
      report({ step: 7 });
      throw new Error('socket hang up');
    });
    await assert.rejects(environment.run(stage, {}));
    assert.deepEqual(beats, [{ step: 7 }]);
  });

  it('tells the workflow now and then that it is tried again and again, and why', async () => {
    const sent: unknown[] = [];
    const client = {
      withAbortSignal: (_: AbortSignal, call: () => Promise<unknown>) => call(),
      workflow: { getHandle: () => ({ signal: async (...told: unknown[]) => sent.push(told) }) },
    };
    const stage = activity(Input, async () => {
      throw Object.assign(new Error('no'), { code: 'ENOSPC' });
    });
    for (let attempt = 1; attempt <= 7; attempt++) {
      const environment = new MockActivityEnvironment(
        { attempt, activityType: 'fineTune' },
        { client: client as never },
      );
      await assert.rejects(environment.run(stage, {}));
    }
    const seen = sent as [string, { activity: string; attempt: number; sentence: string | null }][];
    assert.deepEqual(
      seen.map(([signal, { activity, attempt, sentence }]) => [signal, activity, attempt, sentence !== null]),
      [
        ['trouble', 'fineTune', 3, true],
        ['trouble', 'fineTune', 3, false],
        ['trouble', 'fineTune', 6, true],
        ['trouble', 'fineTune', 6, false],
      ],
    );
    assert.match(seen[0]![1].sentence!, /no space left.*\[DISK_FULL\]$/);
  });
});
