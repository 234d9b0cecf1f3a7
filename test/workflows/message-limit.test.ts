import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ApplicationFailure } from '@temporalio/common';
import { fitting } from '../../workflows/message-limit.ts';

it('what fits into a message is handed on; more is refused for good, with what it is, its size and the way out', () => {
  const fits = { text: 'x'.repeat(2_000_000) };
  assert.equal(fitting('report', fits), fits);
  // Two bytes each: the size that counts is that of the message.
  for (const text of ['x'.repeat(2_100_000), 'é'.repeat(1_050_000)]) {
    assert.throws(
      () => fitting('report', { text }),
      (error) =>
        error instanceof ApplicationFailure &&
        error.nonRetryable === true &&
        error.type === 'RUN_TOO_LARGE' &&
        /^report: found 2\.00 MiB .*at most 1\.94 MiB\. Divide the data set .*\[RUN_TOO_LARGE\]$/.test(error.message),
    );
  }
});
