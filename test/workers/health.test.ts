import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, mock } from 'node:test';
import type { Worker } from '@temporalio/worker';
import { reportHealth } from '../../workers/health.ts';

const worker = (state: string): Worker => ({ getState: () => state }) as unknown as Worker;

describe('the health of a worker', () => {
  it('stands in a file while all pools poll, and a file that cannot be written ends nothing', async () => {
    mock.timers.enable({ apis: ['setInterval'] });
    const folder = await mkdtemp(join(tmpdir(), 'samflow-health-'));
    try {
      const file = join(folder, 'health');
      const ends = [
        reportHealth(join(folder, 'not there', 'health'), [worker('RUNNING')]),
        reportHealth(join(folder, 'draining'), [worker('RUNNING'), worker('DRAINING')]),
        reportHealth(file, [worker('RUNNING')]),
      ];
      mock.timers.tick(5_000);
      assert.equal(await readFile(file, 'utf8'), `${process.pid}\n`);
      await assert.rejects(readFile(join(folder, 'draining')), { code: 'ENOENT' });
      for (const end of ends) end();
    } finally {
      mock.timers.reset();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
