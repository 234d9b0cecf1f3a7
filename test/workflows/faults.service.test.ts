import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { faultyConfig } from '../../bench/faults/config.ts';
import { type Fault, inTurn } from '../../bench/faults/fault.ts';
import { S3_FAULTS } from '../../bench/faults/fault-proxy.ts';
import { Ground } from '../../bench/faults/ground.ts';
import { fullDisk, limitReached } from '../../bench/faults/machines.ts';
import { serverAway, troubledStore } from '../../bench/faults/servers.ts';
import { zombie } from '../../bench/faults/workers.ts';
import { prepareRun } from '../../cli/config/prepare.ts';
import { RunConfig } from '../../contracts/config.ts';
import { testEnv, withoutTools } from '../helpers/dev-servers.ts';

/**
 * Faults of the plan in whole runs (F1 and F2 are `samflow verify-resume`'s): after each of them a run must end as one that
 * nobody touched, bit by bit, with one checkpoint chain in which every step names its parent, no slice encoded twice, nothing left
 * behind, and a history that replays. `npm run chaos -- --faults all` does more of each, in more ways.
 */

const EPOCHS = 15;
const SEED = 20261125;

const FAULTS: [claim: string, fault: Fault][] = [
  ['F3: the Temporal server is killed in mid training and comes back on its database', serverAway(3, 5)],
  ['F4: one request to the store in twelve goes wrong, in nine ways', troubledStore(S3_FAULTS, 12, SEED, 20)],
  ['F5: a worker that was taken for dead wakes up beside its successor, and changes nothing', zombie(5, 0)],
  [
    'F7: a worker’s disk is full, and then it has no file handles',
    inTurn([fullDisk('size=64m', 'room'), limitReached('nofile', 0, 10, ['WORKER_FILE_HANDLES'])]),
  ],
];

describe('a run that ends as one that nobody touched', { skip: await withoutTools('temporal', 'versitygw') }, () => {
  let ground: Ground;

  before(
    async () => {
      ground = await Ground.open(await prepareRun(RunConfig.parse(faultyConfig(EPOCHS))), testEnv());
      const { account, seconds } = await ground.untouched();
      assert.deepEqual(account.violations, []);
      console.log(`# untouched: ${seconds.toFixed(1)} s`);
    },
    { timeout: 300_000 },
  );
  after(() => ground?.close());

  for (const [claim, fault] of FAULTS) {
    it(claim, { skip: fault.impossible?.() ?? false }, async () => {
      const { seconds, retries, violations } = await ground.provoke(fault);
      console.log(`# ${fault.title}: ${seconds.toFixed(1)} s, ${retries} more attempts`);
      assert.deepEqual(violations, []);
    });
  }
});
