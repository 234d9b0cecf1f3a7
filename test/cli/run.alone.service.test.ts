import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { Client, Connection } from '@temporalio/client';
import { MESSAGES } from '../../contracts/messages.ts';
import { Home, lastJson, survivors, TINY } from '../helpers/cli.ts';

/** Long enough to be killed in the middle. What becomes of the weights then: test/workflows/resume.service.test.ts. */
const LONG = [...TINY, '--set', 'training.epochs=20', '--set', 'training.checkpointEverySteps=10'];
const CONFIG = 'examples/phantom.yaml';

describe('a run that is killed with the command that watches it', () => {
  let home: Home;
  before(async () => {
    home = await Home.make();
  });
  after(() => home.remove());

  it('leaves no process behind, even where there was no time to say good-bye', async () => {
    const running = home.start('run', CONFIG, ...LONG);
    await running.until(/fine-tune: epoch/);
    const pids = await home.pids();
    running.child.kill('SIGKILL');
    assert.equal((await running.finished).code, null);
    assert.deepEqual(await survivors(pids), []);
  });

  it('is resumed by the same command', async () => {
    const { code, stdout, stderr } = await home.run('run', CONFIG, ...LONG, '--json');
    assert.equal(code, 0, stderr);
    assert.match(stderr, /\(resumed\)/);
    assert.equal(lastJson({ code, stdout, stderr }).status, 'completed');
  });
});

describe('a run that is cancelled', () => {
  let home: Home;
  before(async () => {
    home = await Home.make();
  });
  after(() => home.remove());

  it('reaches the gpu within two seconds, and ends as cancelled', async () => {
    const { stdout } = await home.run('run', CONFIG, ...TINY, '--set', 'training.epochs=2000', '--detach', '--json');
    const { run } = JSON.parse(stdout.trimEnd().split('\n').at(-1)!);
    const connection = await Connection.connect({ address: await home.temporalAddress() });
    try {
      const handle = new Client({ connection }).workflow.getHandle(run);
      for (;;) {
        const { pendingActivities } = (await handle.describe()).raw;
        if (
          pendingActivities?.some(
            ({ activityType, heartbeatDetails }) => activityType?.name === 'fineTune' && heartbeatDetails,
          )
        )
          break;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      const { code } = await home.run('cancel', run);
      assert.equal(code, 0);
      assert.equal((await handle.describe()).status.name, 'CANCELLED');
      // By the server's own clock: a heartbeat to wait for, a step to end.
      const { events } = await handle.fetchHistory();
      const timeOf = (name: string): number => {
        const time = events?.find((event) => name in event)?.eventTime;
        return Number(time?.seconds) + Number(time?.nanos) / 1e9;
      };
      const seconds =
        timeOf('activityTaskCanceledEventAttributes') - timeOf('workflowExecutionCancelRequestedEventAttributes');
      assert.ok(seconds < 2, `${seconds} s from the request to the end of the activity`);
      const { stages } = await handle.query<{ stages: { name: string; state: string }[] }>(MESSAGES.progress);
      assert.equal(stages.find(({ name }) => name === 'fine-tune')?.state, 'failed');
    } finally {
      await connection.close();
    }
  });
});

describe('a configuration that cannot be used', () => {
  it('is refused in one sentence with exit code 2, and nothing is started', async () => {
    const home = await Home.make();
    const { code, stdout, stderr } = await home.run('run', CONFIG, '--set', 'training.epoch=3');
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /^✗ training\.epoch: found a key .* Did you mean `epochs`\? \[CONFIG\]\n$/);
    assert.ok(await home.isQuiet());
    await rm(home.dir, { recursive: true });
  });
});

describe('a run whose encoder learns', () => {
  let home: Home;
  before(async () => {
    home = await Home.make();
  });
  after(() => home.remove());

  it('keeps embeddings of the test patient alone, and scores the tuned model on its own', async () => {
    const how = ['training.epochs=1', 'training.train.lora=2', 'model.inputSize=64', 'model.precision=int8'];
    const ended = await home.run('run', CONFIG, ...TINY, ...how.flatMap((setting) => ['--set', setting]), '--json');
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stderr, /encode: 1 of 1/);
    assert.match(ended.stderr, /fine-tune: epoch 1\/1/);
    const { metrics, status } = lastJson(ended);
    assert.equal(status, 'completed');
    assert.ok(metrics.fineTuned.dice >= 0 && metrics.zeroShot.dice >= 0);
  });
});
