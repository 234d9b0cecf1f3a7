import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { repeatedWhereClockIsOff } from '../../../lib/artifacts/clock.ts';

/** How often a request is made that is refused so many times, by a server whose clock is so far from ours. */
async function triesOf(refusals: number, offMs: number, httpStatusCode = 403): Promise<number> {
  let tries = 0;
  const send = repeatedWhereClockIsOff(async () => {
    tries += 1;
    if (tries > refusals) return;
    const headers = { date: new Date(Date.now() + offMs).toUTCString() };
    throw Object.assign(new Error('no'), { $metadata: { httpStatusCode }, $response: { headers } });
  });
  await send({}).catch((error: Error) => assert.equal(error.message, 'no'));
  return tries;
}

describe('a request that is refused', () => {
  const HOUR_MS = 3_600_000;

  it('is made again while the clock is off, to either side', async () => {
    assert.equal(await triesOf(1, HOUR_MS), 2);
    assert.equal(await triesOf(3, -HOUR_MS), 4);
  });
  it('is not made for ever', async () => assert.equal(await triesOf(9, HOUR_MS), 4));
  it('is made once more where the clock has just been set right', async () => {
    assert.equal(await triesOf(1, 1_000), 2);
    assert.equal(await triesOf(9, 1_000), 2);
  });
  it('stays so for another reason than rights', async () => assert.equal(await triesOf(1, HOUR_MS, 412), 1));
});
