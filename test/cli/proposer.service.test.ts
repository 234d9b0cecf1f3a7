import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Home, lastJson, TINY } from '../helpers/cli.ts';

const CONFIG = 'examples/phantom.yaml';
const WITH_PROPOSER = [...TINY, '--set', 'prompts.automatic=proposer', '--json'];

describe('a run with a box proposer', () => {
  let home: Home;
  before(async () => {
    home = await Home.make();
  });
  after(() => home.remove());

  it('has the scores of its three kinds of boxes apart from each other', async () => {
    const done = await home.run('run', CONFIG, ...WITH_PROPOSER);
    assert.equal(done.code, 0, done.stderr);
    const { metrics } = lastJson(done) as { metrics: Record<string, Record<string, unknown>> };
    assert.deepEqual(Object.keys(metrics.jittered!), ['zeroShot', 'fineTuned']);
    assert.equal(metrics.automatic!.prompts, 'proposer');
    assert.match(done.stderr + done.stdout, /automatic: proposer/);
  });

  it('is the same run again, with nothing to do', async () => {
    const again = await home.run('run', CONFIG, ...WITH_PROPOSER);
    assert.equal(again.code, 0, again.stderr);
    const { stages } = lastJson(again) as { stages: { name: string; reused: boolean }[] };
    assert.ok(stages.length > 0);
  });

  it('trains no proposer anew where only the propagation is asked for', async () => {
    const other = await home.run('run', CONFIG, ...WITH_PROPOSER, '--set', 'prompts.propagate=true');
    assert.equal(other.code, 0, other.stderr);
    const { stages } = lastJson(other) as { stages: { name: string; reused: boolean }[] };
    const reused = Object.fromEntries(stages.map(({ name, reused }) => [name, reused]));
    assert.deepEqual([reused['fine-tune'], reused.infer], [true, false]);
  });
});
