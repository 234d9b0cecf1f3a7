import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { StageAccount } from '../../lib/artifacts/explain.ts';
import { phantomFiles } from '../../lib/dataset/phantom.ts';
import { type Finished, Home, lastJson, type Running, TINY } from '../helpers/cli.ts';

const CONFIG = 'examples/phantom.yaml';
const SETTINGS = [...TINY, '--set', 'training.epochs=2'];
const RATE = ['--set', 'training.learningRate=1e-3'];

/** One after the other: each run stands on what those before it have left in the store. */
describe('what a run owes to those before it', () => {
  let home: Home;
  let dev: Running;
  let first: string;
  let kept: string;

  before(async () => {
    home = await Home.make();
    dev = home.start('dev');
    await dev.until(/S3 +http/);
    first = await run('--set', 'source.patients=3');
  });
  after(async () => {
    await home.remove();
    dev.child.kill('SIGKILL');
  });

  const ended = (finished: Finished): Finished => {
    assert.equal(finished.code, 0, finished.stderr);
    return finished;
  };
  const run = async (...how: string[]): Promise<string> =>
    lastJson(ended(await home.run('run', CONFIG, ...SETTINGS, ...how, '--json'))).run;
  /** [results made, results reused] by stage. */
  const numbers = async (id: string): Promise<Record<string, [number, number]>> => {
    const { stages } = lastJson(ended(await home.run('explain', id, '--json')));
    return Object.fromEntries(stages.map(({ stage, ran, reused }: StageAccount) => [stage, [ran, reused]]));
  };

  it('another learning rate trains again and encodes nothing, and explain and why name it', async () => {
    const second = await run('--set', 'source.patients=3', ...RATE);
    const { download, convert, encode, 'fine-tune': tuned, evaluate } = await numbers(second);
    assert.deepEqual([download, convert?.[0], encode?.[0], tuned, evaluate], [[0, 1], 0, 0, [1, 0], [1, 0]]);
    const { stdout } = ended(await home.run('explain', second));
    assert.match(stdout, new RegExp(`fine-tune +ran: training.learningRate 0.0005 → 0.001 \\(against ${first}`));
    assert.match(stdout, new RegExp(`encode +reused, made by ${first}`));
    const why = ended(await home.run('why', first, second));
    assert.equal(why.stdout, 'fine-tune: training.learningRate 0.0005 → 0.001\n');
  });

  it('a new patient is the only one to be converted, sliced and encoded', async () => {
    const more = await run('--set', 'source.patients=4');
    const { convert, slice, encode } = await numbers(more);
    assert.deepEqual(
      [convert, slice],
      [
        [1, 3],
        [1, 3],
      ],
    );
    assert.ok(encode![0] > 0 && encode![1] === 3 * encode![0], `${encode}`);
    const { difference } = lastJson(ended(await home.run('why', first, more, '--json')));
    assert.deepEqual([difference.what, difference.stage, difference.only], ['patient', 'convert', 'b']);
  });

  it('a run that failed is explained as far as it came, and so is why another one did not', async () => {
    const how = ['--set', 'source.patients=3', '--set', 'split.test=5'];
    const { run: failed, failure } = lastJson(await home.run('run', CONFIG, ...SETTINGS, ...how, '--json'));
    assert.equal(failure.code, 'SPLIT_TOO_FEW_PATIENTS');
    const { stdout } = ended(await home.run('explain', failed));
    assert.match(stdout, new RegExp(`convert +reused, made by ${first}`));
    assert.match(stdout, /Failed in split \[SPLIT_TOO_FEW_PATIENTS\]/);
    const why = ended(await home.run('why', first, failed));
    assert.match(why.stdout, /failed in split \[.*\]\. In what both have done nothing differs.*split\.test .* → 5/);
  });

  it('nothing changed is nothing done, unless it is told: from a stage on, or everything', async () => {
    const same = ['--set', 'source.patients=3'];
    assert.equal(await run(...same), first);
    assert.ok(Object.values(await numbers(first)).every(([ran]) => ran === 0));
    await run(...same, '--from', 'evaluate');
    const from = await numbers(first);
    const worked = Object.entries(from).flatMap(([stage, [ran]]) => (ran > 0 ? [stage] : []));
    assert.deepEqual(worked, ['evaluate', 'package', 'infer', 'report']);
    await run(...same, '--force');
    assert.ok(Object.values(await numbers(first)).every(([, reused]) => reused === 0));
    assert.match((await home.run('explain', first)).stdout, /fine-tune +ran: it was told to\n/);
  });

  it('a rerun branches from the end of an epoch, with another rate, and says so', async () => {
    const rerun = ['rerun', first, '--from', 'fine-tune', '--at-epoch', '1'];
    const branched = ended(await home.run(...rerun, '--set', 'training.learningRate=1e-4', '--json'));
    const { run: branch, status } = lastJson(branched);
    assert.equal(status, 'completed');
    assert.notEqual(branch, first);
    const { slice, encode, 'fine-tune': tuned } = await numbers(branch);
    assert.deepEqual([slice?.[0], encode?.[0], tuned], [0, 0, [1, 0]]);
    const { stdout } = ended(await home.run('explain', branch));
    assert.match(stdout, /fine-tune +ran: .*branch nothing → \{"checkpoint":"[0-9a-f]+…/);
    const refused = await home.run(...rerun, '--set', 'training.loss=dice');
    assert.match(refused.stderr, /--set training\.loss: found .*\[BRANCH_DIFFERS\]/);
    assert.match((await home.run('rerun', first, '--at-epoch', '3')).stderr, /a training of 2 epochs/);
  });

  it('gc says what would go, deletes it when told to, and leaves a kept run whole', async () => {
    const policy = ['gc', '--keep-last', '1', '--grace', '0', '--json'];
    const planned = lastJson(ended(await home.run(...policy)));
    assert.equal(planned.deleted, false);
    assert.equal(planned.runs.length, 1);
    const again = lastJson(ended(await home.run(...policy)));
    assert.deepEqual(again, planned);
    const kinds = planned.kinds.map(({ kind }: { kind: string }) => kind);
    for (const kind of ['run', 'result', 'training step', 'checkpoint', 'embeddings', 'weights', 'scan']) {
      assert.ok(kinds.includes(kind), `${kind} in ${kinds}`);
    }
    const { deleted, objects, bytes } = lastJson(ended(await home.run(...policy, '--yes')));
    assert.deepEqual([deleted, objects, bytes], [true, planned.objects, planned.bytes]);
    assert.match((await home.run('gc', '--keep-last', '1', '--grace', '0')).stdout, /^Nothing to delete: 1 run/);

    [kept] = planned.runs;
    assert.ok(Object.values(await numbers(kept)).length > 0);
    const status = lastJson(ended(await home.run('status', kept, '--json')));
    assert.ok((await stat(status.report)).size > 10_000);
    const rerun = lastJson(ended(await home.run('rerun', kept, '--json'))).run;
    const worked = Object.entries(await numbers(rerun)).flatMap(([stage, [ran]]) => (ran > 0 ? [stage] : []));
    assert.deepEqual(worked, ['report']);
    const scan = join(home.dir, 'scan.nii.gz');
    await writeFile(scan, phantomFiles(1, 99)[0]!.bytes);
    const mask = join(home.dir, 'mask.nii.gz');
    assert.equal(
      lastJson(ended(await home.run('infer', scan, '--run', kept, '-o', mask, '--json'))).status,
      'completed',
    );
  });

  it('a patient is deleted, with what was made of the scans; what has learned from it is named', async () => {
    const patient = ['delete', '--patient', '0001', '--json'];
    const planned = lastJson(ended(await home.run(...patient)));
    assert.deepEqual([planned.deleted, planned.patients.length], [false, 1]);
    const kinds = planned.kinds.map(({ kind }: { kind: string }) => kind);
    for (const kind of ['scan', 'mask', 'volume', 'slices', 'embeddings', 'result']) {
      assert.ok(kinds.includes(kind), `${kind} in ${kinds}`);
    }
    const runs = [...planned.learned, ...planned.tested];
    assert.ok(runs.length > 0);
    const { deleted, objects } = lastJson(ended(await home.run(...patient, '--yes')));
    assert.deepEqual([deleted, objects], [true, planned.objects]);
    const again = lastJson(ended(await home.run(...patient)));
    assert.deepEqual([again.objects, again.learned], [0, planned.learned]);
    assert.ok(runs.includes(kept));
  });

  it('a run is deleted with its histories, and nothing but the record of that is left', async () => {
    const gone = kept;
    const { runs, histories, objects } = lastJson(ended(await home.run('delete', gone, '--yes', '--json')));
    assert.deepEqual(runs, [gone]);
    assert.ok(histories >= 2 && objects > 3, `${histories} histories, ${objects} objects`);
    assert.match((await home.run('status', gone)).stderr, /\[RUN_UNKNOWN\]/);
    assert.match(ended(await home.run('delete', gone)).stdout, /Nothing is left in the store\./);
    const lines = ended(await home.run('audit'))
      .stdout.trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const [line] = lines.filter(({ runs }) => runs?.includes(gone));
    assert.deepEqual([line.action, line.runs, line.objects], ['delete', [gone], objects]);
    assert.match(line.identity, /^samflow:/);
    assert.ok(!lines.some(({ workflow }) => workflow === gone));
  });
});
