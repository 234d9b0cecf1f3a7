import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Attempt } from '../../activities/activity.ts';
import { FencedOut } from '../../activities/failures.ts';
import { whileMoving } from '../../activities/moves.ts';
import { assertRejectsWithFault } from '../helpers/faults.ts';

/** An attempt that keeps what it reports. */
function attemptAt(number: number, before: unknown): Attempt & { reported: unknown } {
  const attempt = {
    ...{
      number,
      before,
      run: '',
      by: { run: '' },
      signal: new AbortController().signal,
      reported: undefined as unknown,
    },
    report: (details: unknown) => {
      attempt.reported = details;
    },
    tell: () => undefined,
  };
  return attempt;
}

describe('a training whose workers are lost', () => {
  it('goes on for ever as long as each keeps something', async () => {
    let details: unknown;
    for (let number = 1; number <= 100; number++) {
      const attempt = attemptAt(number, details);
      await whileMoving(attempt, async (moves) => {
        moves.made();
        attempt.report({ step: number, movedAt: moves.movedAt });
      });
      details = attempt.reported;
    }
    assert.deepEqual(details, { step: 100, movedAt: 100 });
  });

  it('is given up by the 21st that would keep nothing', async () => {
    let details: unknown = { step: 3, movedAt: 7 };
    for (let number = 8; number < 27; number++) {
      const attempt = attemptAt(number, details);
      await whileMoving(attempt, async () => undefined);
      details = attempt.reported;
    }
    const last = whileMoving(attemptAt(27, details), async () => assert.fail('tried again'));
    await assertRejectsWithFault(last, 'TRAINING_STALLED', /20 attempts since the last checkpoint/);
  });

  it('waits on while another run is at the very same training', async () => {
    const attempt = attemptAt(20, { movedAt: 1 });
    const fenced = whileMoving(attempt, async () => {
      throw new FencedOut('taken over');
    });
    await assert.rejects(fenced, FencedOut);
    assert.deepEqual(attempt.reported, { movedAt: 20 });
  });
});
