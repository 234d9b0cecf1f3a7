import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Home, lastJson, TINY } from '../helpers/cli.ts';
import { withoutTools } from '../helpers/dev-servers.ts';
import { until } from '../helpers/until.ts';

const CONFIG = ['examples/phantom.yaml', ...TINY, '--set', 'source.patients=3'];

describe('a run at work, from the command line', { skip: await withoutTools('temporal', 'versitygw') }, () => {
  let home: Home;
  let run: string;
  before(async () => {
    home = await Home.make();
    const started = await home.run('run', ...CONFIG, '--set', 'training.epochs=2000', '--detach', '--json');
    run = lastJson(started).run;
    await until(async () => (await status()).training, 120);
  });
  after(() => home.remove());

  const status = async () => lastJson(await home.run('status', run, '--json'));
  const refused = async (sentence: RegExp, ...args: string[]): Promise<void> => {
    const { code, stderr } = await home.run(...args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, sentence);
    assert.doesNotMatch(stderr, /\n {4}at /);
  };

  it('is paused and resumed', async () => {
    const { code, stdout, stderr } = await home.run('pause', run);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /is paused.*samflow resume/);
    const paused = await status();
    assert.deepEqual([paused.status, paused.control.paused], ['paused', true]);
    await refused(/found the run is paused already.*\[RUN_REFUSED\]/, 'pause', run);
    const { step } = paused.training;
    assert.equal((await home.run('resume', run)).code, 0);
    await until(async () => (await status()).training.step > step, 30);
    assert.equal((await status()).status, 'running');
  });

  it('is extended and stopped, and ends with a report', async () => {
    await refused(/2000 epochs are planned already.*\[RUN_REFUSED\]/, 'extend', run, '--epochs', '1000');
    await refused(/--epochs: found `ten`.*\[USAGE\]/, 'extend', run, '--epochs', 'ten');
    assert.match((await home.run('extend', run, '--epochs', '3000')).stdout, /goes on to 3000 epochs/);
    await until(async () => (await status()).training.epochs === 3000, 30);
    assert.match((await home.run('stop', run)).stdout, /best weights are kept/);
    const ended = await until(async () => {
      const now = await status();
      return now.status === 'completed' ? now : null;
    }, 60);
    assert.ok(ended.report);
    assert.ok(ended.metrics.fineTuned.dice >= 0);
  });

  it('can be asked for nothing when it has ended, nor can one that nobody knows', async () => {
    for (const words of [['pause'], ['resume'], ['stop'], ['extend', '--epochs', '4000'], ['cancel']]) {
      await refused(/found a run that is completed.*\[RUN_ENDED\]/, ...words.slice(0, 1), run, ...words.slice(1));
    }
    await refused(/\[RUN_UNKNOWN\]/, 'pause', 'nobody');
  });
});
