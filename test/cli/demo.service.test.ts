import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { Comparison } from '../../contracts/stages.ts';
import { type Finished, Home, lastJson, survivors } from '../helpers/cli.ts';

const STAGES = ['download', 'convert', 'slice', 'split', 'encode', 'fine-tune', 'evaluate', 'infer', 'report'];
const EPOCHS = ['--set', 'training.epochs=3'];

describe('npm run demo', () => {
  let home: Home;
  let pids: number[];
  let first: Finished;
  const demo = (...args: string[]) => home.launch('npm', ['run', '-s', 'demo', '--', ...args]);
  before(async () => {
    home = await Home.make();
    const running = demo('--json', ...EPOCHS);
    await running.until(/convert: /);
    pids = await home.pids();
    first = await running.finished;
  });
  after(() => home.remove());

  it('runs every stage, shows progress, and ends with a table, addresses and exit code 0', () => {
    assert.equal(first.code, 0, first.stderr);
    for (const stage of STAGES) assert.match(first.stderr, new RegExp(`^${stage}: \\d+ of \\d+`, 'm'));
    assert.match(first.stderr, /fine-tune: epoch \d+\/3 {2}step \d+\/\d+ {2}loss \d/);
    assert.match(first.stderr, /zero-shot[^\n]*\d\.\d{3}[\s\S]*fine-tuned[^\n]*\d\.\d{3}/);
    assert.match(first.stderr, /Report {4}\S+report\.html[\s\S]*Temporal {2}http:\S+[\s\S]*S3 {8}http:\S+/);
    assert.match(first.stderr, /Both end now; `--keep` leaves them running/);
  });

  it('gives one JSON object on the last line of stdout', () => {
    const { run, status, stages, metrics, report, ...others } = lastJson(first);
    assert.match(run, /^phantom-lungs-[0-9a-f]{12}$/);
    assert.equal(status, 'completed');
    for (const stage of stages) assert.deepEqual(Object.keys(stage), ['name', 'seconds', 'reused']);
    assert.deepEqual(
      stages.map(({ name, reused }: { name: string; reused: boolean }) => [name, reused]),
      STAGES.map((name) => [name, false]),
    );
    for (const { seconds } of stages) assert.ok(seconds > 0);
    const { zeroShot, fineTuned, summaries, jittered, automatic, ...more } = metrics;
    assert.deepEqual(more, {});
    assert.deepEqual(Object.keys(jittered), ['zeroShot', 'fineTuned']);
    assert.deepEqual(Object.keys(automatic), ['prompts', 'dice', 'iou']);
    for (const overlap of [zeroShot, fineTuned]) assert.deepEqual(Object.keys(overlap), ['dice', 'iou']);
    const [lungs] = summaries;
    assert.deepEqual([lungs.structure, lungs.fineTuning[0].after.mean], ['lungs', fineTuned.dice]);
    assert.ok(lungs.fineTuning.some(({ metric, after }: Comparison) => metric === 'hd95Mm' && after.mean > 0));
    assert.match(report, /report\.html$/);
    assert.deepEqual(others, {});
  });

  it('fine-tunes a model that is good to one that is better', () => {
    const { zeroShot, fineTuned } = lastJson(first).metrics;
    assert.ok(zeroShot.dice > 0.5, `zero-shot Dice ${zeroShot.dice}`);
    assert.ok(fineTuned.dice > zeroShot.dice, `fine-tuned Dice ${fineTuned.dice}`);
    assert.ok(fineTuned.iou < fineTuned.dice);
  });

  it('leaves a report of one file and no process', async () => {
    const html = await readFile(lastJson(first).report, 'utf8');
    assert.match(html, /^<!doctype html>/i);
    assert.doesNotMatch(html, /(src|href)="http/);
    assert.deepEqual(await survivors(pids), []);
    assert.ok(await home.isQuiet());
  });

  it('reuses everything the second time, says so, and shows the same scores', async () => {
    const { code, stdout, stderr } = await demo(...EPOCHS).finished;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Nothing had changed: every stage was reused/);
    const { metrics } = lastJson(first);
    for (const [row, { dice, iou }] of [
      ['zero-shot', metrics.zeroShot],
      ['fine-tuned', metrics.fineTuned],
    ] as const) {
      assert.match(stdout, new RegExp(`${row}\\W+${dice.toFixed(3)}\\W+${iou.toFixed(3)}`));
    }
  });

  it('leaves no process after Ctrl-C, and goes on from there the next time', async () => {
    const more = ['--set', 'training.epochs=4'];
    // Straight to what npm starts: npm itself ends by the signal and has no exit code then.
    const interrupted = home.launch(process.execPath, ['infra/dev/bootstrap.mjs', 'demo', ...more]);
    await interrupted.until(/fine-tune: epoch/);
    const atWork = await home.pids();
    interrupted.child.kill('SIGINT');
    const { code, stdout } = await interrupted.finished;
    assert.equal(code, 130);
    assert.match(stdout, /Stopped\. What is done is kept/);
    assert.deepEqual(await survivors(atWork), []);

    const resumed = await demo('--json', ...more).finished;
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.match(resumed.stderr, /\(resumed\)/);
    assert.equal(lastJson(resumed).status, 'completed');
  });
});
