import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { otherWork, shareBetween } from '../../bench/other-work.ts';

const MS = 400;
const spin = `const end = Date.now() + 60_000; while (Date.now() < end);`;

test('the share of others is what is busy and not ours, of all that the processors could do', () => {
  const start = { busy: 100, total: 1000, ours: 10 };
  assert.equal(shareBetween(start, { busy: 106, total: 1010, ours: 12 }), 0.4);
  assert.equal(shareBetween(start, { busy: 101, total: 1010, ours: 11.01 }), 0);
  assert.equal(shareBetween(start, start), 0);
});

test('a process that computes is other work, unless it is named as a child', {
  skip: process.platform !== 'linux',
}, async () => {
  const child = spawn(process.execPath, ['-e', spin], { stdio: 'ignore' });
  try {
    await sleep(MS);
    const [all, others] = [otherWork(null), otherWork(child.pid!)];
    await sleep(2 * MS);
    const difference = all() - others();
    assert.ok(difference > 0.25 / availableParallelism(), `the child took ${difference} of the machine`);
  } finally {
    child.kill('SIGKILL');
  }
});
