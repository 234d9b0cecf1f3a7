import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { repeatedWhereClockWasOff } from '../../../lib/artifacts/clock.ts';

/** How often a request is made that is refused so many times, each time by an answer that sets the clock by so much. */
async function triesOf(refusals: number, correctionMs: number, httpStatusCode = 403, attempts = 1): Promise<number> {
  const clock = { systemClockOffset: 0 };
  let tries = 0;
  const send = repeatedWhereClockWasOff(clock)(async () => {
    tries += 1;
    if (tries > refusals) return;
    clock.systemClockOffset += correctionMs;
    throw Object.assign(new Error('no'), { $metadata: { httpStatusCode, attempts } });
  });
  await send({}).catch((error: Error) => assert.equal(error.message, 'no'));
  return tries;
}

describe('a request that is refused', () => {
  const HOUR_MS = 3_600_000;

  it('is made again where the clock was corrected meanwhile, to either side', async () => {
    assert.equal(await triesOf(1, HOUR_MS), 2);
    assert.equal(await triesOf(3, -HOUR_MS), 4);
  });
  it('is made again where the clock was corrected and has jumped back', async () =>
    assert.equal(await triesOf(1, 0, 403, 2), 2));
  it('is not made for ever', async () => assert.equal(await triesOf(9, HOUR_MS), 4));
  it('stays refused where the clock is right', async () => assert.equal(await triesOf(1, 1_000), 1));
  it('stays so for another reason than rights', async () => assert.equal(await triesOf(1, HOUR_MS, 412), 1));
});
