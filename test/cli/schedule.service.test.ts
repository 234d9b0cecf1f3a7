import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Home, lastJson, TINY } from '../helpers/cli.ts';

const CONFIG = 'examples/phantom.yaml';
const settings = (epochs: number): string[] => [
  ...TINY,
  '--set',
  'source.patients=3',
  '--set',
  `training.epochs=${epochs}`,
];

describe('samflow schedule', () => {
  let home: Home;
  let dev: ReturnType<Home['start']>;
  before(async () => {
    home = await Home.make();
    dev = home.start('dev');
    await dev.until(/S3 +http/);
  });
  after(async () => {
    dev.child.kill('SIGINT');
    await dev.finished;
    await home.remove();
  });
  const create = (epochs: number) => home.run('schedule', 'create', CONFIG, '--every', '1d', ...settings(epochs));
  const trigger = async () => {
    const ended = await home.run('schedule', 'trigger', 'phantom-lungs', '--json');
    assert.equal(ended.code, 0, ended.stderr);
    return lastJson(ended);
  };

  it('is refused where the cron expression is none, in one sentence', async () => {
    const { code, stderr } = await home.run('schedule', 'create', CONFIG, '--cron', 'bogus', ...settings(1));
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^✗ --cron: found `bogus` \([^\n]*\), expected a cron expression, in UTC\..*\[USAGE\]\n$/);
  });

  it('is refused for a cross-validation, which has no one model', async () => {
    const folds = ['--set', 'split.folds=3'];
    const { code, stderr } = await home.run('schedule', 'create', CONFIG, '--every', '1d', ...settings(1), ...folds);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^✗ split\.folds: found a cross-validation, expected one run, .*\[CONFIG\]\n$/);
  });

  it('is created once, and listed with its next time', async () => {
    assert.equal((await create(1)).code, 0);
    const again = await create(1);
    assert.equal(again.code, 2);
    assert.match(
      again.stderr,
      /found a schedule of this name.*samflow schedule delete phantom-lungs.*\[SCHEDULE_EXISTS\]/,
    );
    const { schedules } = lastJson(await home.run('schedule', 'list', '--json'));
    assert.deepEqual(
      schedules.map(({ name, runs }: { name: string; runs: number }) => [name, runs]),
      [['phantom-lungs', 0]],
    );
    assert.ok(new Date(schedules[0].next).getTime() > Date.now());
  });

  it('trains a first champion, whose model serves under its name', async () => {
    const { outcome, run, challenger } = await trigger();
    assert.equal(outcome, 'first');
    assert.ok(challenger >= 0);
    const { metrics } = lastJson(await home.run('status', run, '--json'));
    assert.equal(metrics.fineTuned.dice, challenger);
  });

  it('can be looked at afterwards by the id of the retraining', async () => {
    const { runs } = lastJson(await home.run('status', '--json'));
    const { run: id } = runs.find(({ kind }: { kind: string }) => kind === 'retrain');
    const ended = await home.run('status', id, '--json');
    assert.equal(ended.code, 0, ended.stderr);
    const { workflow, outcome, run } = lastJson(ended);
    assert.deepEqual([workflow, outcome, run], [id, 'first', `${id}/pipeline`]);
  });

  it('ends in seconds when nothing is new', async () => {
    const began = Date.now();
    const { outcome, run } = await trigger();
    assert.deepEqual([outcome, run], ['unchanged', null]);
    assert.ok(Date.now() - began < 15_000);
  });

  it('measures a challenger and the champion on the same unseen patients, and keeps the better one', async () => {
    assert.equal((await home.run('schedule', 'delete', 'phantom-lungs')).code, 0);
    assert.equal((await create(12)).code, 0);
    const { outcome, champion, challenger, reason } = await trigger();
    assert.equal(outcome, challenger > champion ? 'promoted' : 'kept');
    assert.match(reason, /on 1 unseen patient\(s\)/);
    assert.equal((await trigger()).outcome, 'unchanged');
  });

  it('lets a better model wait where a second person is to say yes, and refuses the first person', async () => {
    assert.equal((await home.run('schedule', 'delete', 'phantom-lungs')).code, 0);
    const set = [...settings(1), '--set', 'name=approved', '--promotion', 'approval'];
    assert.equal((await home.run('schedule', 'create', CONFIG, '--every', '1d', ...set)).code, 0);
    const ended = lastJson(await home.run('schedule', 'trigger', 'approved', '--json'));
    assert.equal(ended.outcome, 'proposed', ended.reason);
    const { code, stderr } = await home.run('promote', 'approved', '--json');
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^✗ approved: found the account that made its schedule \(samflow:.*\[PROMOTION_OWN\]\n$/);
    const { models } = lastJson(await home.run('models', '--json'));
    const { model, champion, waiting } = models[0];
    assert.deepEqual([model, champion, waiting.run], ['approved', null, ended.run]);
    assert.equal(models[1].champion.by, null);
    const { stdout } = await home.run('audit');
    assert.match(
      stdout,
      /"workflow":"retrain-approved","run":"","type":"schedule","action":"create","identity":"samflow:/,
    );
    assert.equal((await home.run('schedule', 'delete', 'approved')).code, 0);
    assert.equal((await create(1)).code, 0);
  });

  it('gives a failure with its code to scripts too, and so does a look at it afterwards', async () => {
    assert.equal((await home.run('schedule', 'delete', 'phantom-lungs')).code, 0);
    // Three patients cannot be divided so.
    const created = await home.run(
      'schedule',
      'create',
      CONFIG,
      '--every',
      '1d',
      ...settings(1),
      '--set',
      'split.val=3',
    );
    assert.equal(created.code, 0, created.stderr);
    const ended = await home.run('schedule', 'trigger', 'phantom-lungs', '--json');
    assert.equal(ended.code, 1, ended.stderr);
    const { workflow, status, outcome, failure } = lastJson(ended);
    assert.deepEqual([status, outcome, failure.code], ['failed', null, 'SPLIT_TOO_FEW_PATIENTS']);
    assert.deepEqual(lastJson(await home.run('status', workflow, '--json')), lastJson(ended));
  });

  it('is deleted, and then unknown', async () => {
    assert.equal((await home.run('schedule', 'delete', 'phantom-lungs')).code, 0);
    const again = await home.run('schedule', 'trigger', 'phantom-lungs', '--json');
    assert.equal(again.code, 2);
    assert.match(again.stderr, /\[SCHEDULE_UNKNOWN\]/);
    assert.equal(lastJson(again).failure.code, 'SCHEDULE_UNKNOWN');
  });
});
