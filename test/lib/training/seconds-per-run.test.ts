import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { secondsPerRun } from '../../../lib/training/seconds-per-run.ts';

/** Runs that take so long by a clock that moves with them; the last figure is repeated. */
function work(...seconds: number[]) {
  let [clock, runs] = [100, 0];
  return {
    now: () => clock,
    run: async () => {
      clock += seconds[Math.min(runs, seconds.length - 1)]!;
      runs += 1;
    },
    ran: () => runs,
  };
}

describe('seconds per run', () => {
  it('are the mean of the runs after the first', async () => {
    const { run, now, ran } = work(9, 1, 3);
    assert.equal(await secondsPerRun(run, { runs: 2, now }), 2);
    assert.equal(ran(), 3);
  });

  it('are measured for a second where runs are quick', async () => {
    const { run, now, ran } = work(0.25);
    assert.equal(await secondsPerRun(run, { runs: 2, now }), 0.25);
    assert.equal(ran(), 5);
  });

  it('are those of the first run where another would take too long', async () => {
    const { run, now, ran } = work(11, 7);
    assert.equal(await secondsPerRun(run, { runs: 2, now }), 11);
    assert.equal(ran(), 1);
  });

  it('are those of fewer runs where no more fit', async () => {
    const { run, now, ran } = work(8, 7);
    assert.equal(await secondsPerRun(run, { runs: 2, now }), 7);
    assert.equal(ran(), 2);
  });
});
