import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ActivityFailure, ApplicationFailure, RetryState, TimeoutFailure } from '@temporalio/common';
import { rootOf } from '../../workflows/surface-failure.ts';

const of = (cause: Error): ActivityFailure =>
  new ActivityFailure('Activity task failed', 'fineTune', '1', RetryState.MAXIMUM_ATTEMPTS_REACHED, '', cause);

describe('the failure of a run', () => {
  it('has the code and the sentence of the activity that was at fault', () => {
    const { type, message } = rootOf(
      of(ApplicationFailure.create({ type: 'DISK_FULL', message: 'no room [DISK_FULL]' })),
    );
    assert.deepEqual([type, message], ['DISK_FULL', 'no room [DISK_FULL]']);
  });

  it('names workers that were lost, and what takes them', () => {
    const { type, message } = rootOf(of(new TimeoutFailure('activity Heartbeat timeout', null, 'HEARTBEAT')));
    assert.equal(type, 'WORKER_LOST');
    assert.match(
      message,
      /^fineTune: no attempt came to its end.* ran out of memory.* start the run again: it goes on/,
    );
  });

  it('tells a lost worker from a stage that takes too long', () => {
    const { type } = rootOf(of(new TimeoutFailure('activity StartToClose timeout', null, 'START_TO_CLOSE')));
    assert.equal(type, 'STAGE_TIMED_OUT');
  });
});
