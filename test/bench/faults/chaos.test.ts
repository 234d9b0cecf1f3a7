import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const CHAOS = fileURLToPath(new URL('../../../bench/chaos.ts', import.meta.url));

describe('npm run chaos', () => {
  const REFUSED: [args: string[], message: RegExp][] = [
    [['--faults', 'F12'], /--faults: found `F12`, expected all, or some of F3,F4,.*\[USAGE\]/],
    [['--faults', 'F7', '--times', '0'], /--times: found `0`, expected a whole number from 1/],
  ];
  for (const [args, message] of REFUSED) {
    it(`refuses what it does not know, before it starts a server: ${args.join(' ')}`, () => {
      const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', CHAOS, ...args], { encoding: 'utf8' });
      assert.equal(status, 2, stderr);
      assert.match(stderr, message);
    });
  }
});
