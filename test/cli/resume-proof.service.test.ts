import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Made } from '../../cli/resume-proof/prove.ts';
import { Home, lastJson, TINY } from '../helpers/cli.ts';
import { withoutTools } from '../helpers/dev-servers.ts';

/** Of a run of seconds. `npm run chaos -- --kills 50` does more of it. */
const KILLS = 3;

describe('a run whose gpu worker is killed at random', { skip: await withoutTools('temporal', 'versitygw') }, () => {
  let home: Home;
  before(async () => {
    home = await Home.make();
  });
  after(() => home.remove());
  const signals = (made: readonly Made[], signal: string): number => made.filter((one) => one.signal === signal).length;

  it('ends bit by bit as one that nobody touched (chaos)', { timeout: 400_000 }, async () => {
    const ended = await home.launch(process.execPath, [
      ...['--import', 'tsx', 'bench/chaos.ts', '--kills', String(KILLS), '--json'],
    ]).finished;
    const proof = lastJson(ended);
    console.log(`seed ${proof.seed}\n${ended.stderr}`);
    assert.deepEqual([proof.violations, proof.proved, ended.code], [[], true, 0]);
    assert.deepEqual([signals(proof.kills, 'SIGKILL'), signals(proof.kills, 'SIGTERM'), proof.missed], [KILLS, 1, 0]);
    assert.ok(proof.digests.length >= 8);
    for (const { what, untouched, killed } of proof.digests) assert.equal(untouched, killed, what);
  });

  it('is shown to anybody on a configuration of theirs (samflow verify-resume)', { timeout: 400_000 }, async () => {
    const config = ['examples/phantom.yaml', ...TINY, '--set', 'source.patients=3', '--set', 'training.epochs=12'];
    const { code, stdout, stderr } = await home.run('verify-resume', ...config, '--kills', '1', '--seed', '7');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /weights .*same/);
    assert.match(stdout, /1 kills and 1 orders to end.*seed 7\./);
    assert.match(stdout, /the same, bit by bit/);
  });
});
