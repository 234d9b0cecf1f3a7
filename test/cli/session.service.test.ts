import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import dicomParser from 'dicom-parser';
import { isAlive } from '../../infra/dev/lock.mjs';
import { phantomFiles } from '../../lib/dataset/phantom.ts';
import { readNifti } from '../../lib/volume/nifti.ts';
import { type Finished, Home, lastJson, type Running, survivors, TINY } from '../helpers/cli.ts';
import { writePhantomSeries } from '../helpers/dicom-series.ts';

/** One `samflow dev` and the commands that other terminals give to it: servers start once, and one run serves them all. */

const CONFIG = 'examples/phantom.yaml';
const SETTINGS = [...TINY, '--set', 'source.patients=3'];
let home: Home;
let dev: Running;
let first: Finished;
/** The run that has ended, and the processes that were there before it. */
let done: string;
let pids: number[];

before(async () => {
  home = await Home.make();
  dev = home.start('dev');
  await dev.until(/S3 +http/);
  pids = await home.pids();
  first = await home.run('run', CONFIG, ...SETTINGS, '--set', 'training.epochs=1', '--json');
  assert.equal(first.code, 0, first.stderr);
  done = lastJson(first).run;
});
after(async () => {
  await home.remove();
  dev.child.kill('SIGKILL');
});

describe('samflow dev', () => {
  it('says where everything is', () =>
    assert.match(
      dev.text(),
      /Temporal {2}127\.0\.0\.1:\d+\nWeb UI {4}http:\/\/127\.0\.0\.1:\d+\nS3 {8}http:\/\/127\.0\.0\.1:\d+/,
    ));

  it('is used by a run in another terminal, which starts nothing of its own and leaves it running', async () => {
    assert.equal(lastJson(first).status, 'completed');
    assert.deepEqual(await home.pids(), pids);
    assert.equal(dev.child.exitCode, null);
    // The addresses stay good, so nothing is said of their end.
    assert.doesNotMatch(first.stderr, /--keep/);
  });

  it('is not used by a command whose payloads its workers could not read', async () => {
    const sealed = home.with({ SAMFLOW_CODEC_KEYS: `a:${randomBytes(32).toString('base64')}` });
    const { code, stderr } = await sealed.run('run', CONFIG, ...SETTINGS);
    assert.equal(code, 2, stderr);
    assert.match(
      stderr,
      /SAMFLOW_CODEC_KEYS: found a \w+ worker of another samflow under other keys.*\[SERVERS_DIFFER\]/,
    );
    assert.deepEqual(await home.pids(), pids);
  });

  it('starts a worker again that was killed', async () => {
    const killed = await home.pidOf('cpu');
    process.kill(killed, 'SIGKILL');
    await dev.until(/the cpu worker was ended by SIGKILL; starting it again/);
    const pid = (): Promise<number> => home.pidOf('cpu').catch(() => killed);
    for (const end = Date.now() + 30_000; (await pid()) === killed; await sleep(100)) {
      assert.ok(Date.now() < end, 'no new worker after half a minute');
    }
  });
});

describe('samflow infer', () => {
  let folder: string;
  /** Scans of patients that no run has seen; the second one stores its axial slices on the first axis. */
  const scans: string[] = [];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'samflow-scans-'));
    for (const { path, bytes } of phantomFiles(2, 23)) {
      if (!path.includes('IMG_')) continue;
      scans.push(join(folder, basename(path)));
      await writeFile(scans.at(-1)!, bytes);
    }
  });
  after(() => rm(folder, { recursive: true }));

  it('writes a mask for each scan, on the scan’s own grid: shape, affine and codes', async () => {
    const ended = await home.run('infer', ...scans, '--run', done, '-o', join(folder, 'masks'), '--json');
    assert.equal(ended.code, 0, ended.stderr);
    const { status, masks } = lastJson(ended);
    assert.equal(status, 'completed');
    assert.deepEqual(
      masks.map(({ scan }: { scan: string }) => scan),
      scans,
    );
    for (const { scan, mask } of masks) {
      const [image, found] = [readNifti(await readFile(scan), 'scan'), readNifti(await readFile(mask), 'mask')];
      const gridOf = ({ shape, voxelToWorld, qformCode, sformCode }: typeof image) => ({
        ...{ shape: [...shape], affine: [...voxelToWorld] },
        codes: [qformCode, sformCode],
      });
      assert.deepEqual(gridOf(found), gridOf(image));
      assert.equal(found.datatype, 'uint8');
      assert.ok(found.voxels.every((value) => value === 0 || value === 1));
    }
  });

  it('can be looked at afterwards by the id that it gave: `samflow status` fetches the masks again', async () => {
    const { run, masks } = lastJson(
      await home.run('infer', scans[0]!, '--run', done, '-o', join(folder, 'looked-at.nii.gz'), '--json'),
    );
    const ended = await home.run('status', run, '--json');
    assert.equal(ended.code, 0, ended.stderr);
    const { status, masks: again } = lastJson(ended);
    assert.equal(status, 'completed');
    assert.ok((await readFile(again[0].mask)).equals(await readFile(masks[0].mask)));
    assert.equal(again[0].foregroundVoxels, masks[0].foregroundVoxels);
  });

  it('gives the same bytes when it is asked again, to a file of any name', async () => {
    const out = join(folder, 'again.nii.gz');
    assert.equal((await home.run('infer', scans[0]!, '--run', done, '-o', out)).code, 0);
    const before = await readFile(join(folder, 'masks', 'IMG_0001-mask.nii.gz'));
    assert.ok(before.equals(await readFile(out)));
  });

  it('writes the probabilities beside a mask that asks for them, above a half where the mask is but for post-processing', async () => {
    const out = join(folder, 'sure.nii.gz');
    const ended = await home.run('infer', scans[1]!, '--run', done, '-o', out, '--probability', '--json');
    const [{ mask, probability }] = lastJson(ended).masks;
    assert.deepEqual([mask, probability], [out, join(folder, 'sure-probability.nii.gz')]);
    const [labels, values] = await Promise.all(
      [mask, probability].map(async (path) => readNifti(await readFile(path), 'file')),
    );
    assert.deepEqual([values!.shape, values!.voxelToWorld], [labels!.shape, labels!.voxelToWorld]);
    let [shared, found] = [0, 0];
    for (const [at, label] of labels!.voxels.entries()) {
      shared += label * Number(values!.voxels[at]! > 0.5);
      found += label;
    }
    // Post-processing fills holes, and takes components away.
    assert.ok(found > 0 && shared / found > 0.9, `${shared} of ${found} voxels`);
  });

  it('writes a segmentation of a DICOM folder into the user’s own, and of the patient’s name no more than the files into the store', async () => {
    const name = 'Quackenbush^Thaddeus';
    await writePhantomSeries(join(folder, 'series'), 23, name);
    const out = join(folder, 'lungs.dcm');
    const args = ['--run', done, '-o', out, '--format', 'dicom-seg', '--json'];
    const ended = await home.run('infer', join(folder, 'series'), ...args);
    assert.equal(ended.code, 0, ended.stderr);
    const bytes = await readFile(out);
    const data = dicomParser.parseDicom(bytes);
    const { dataOffset, length } = data.elements.x7fe00010!;
    const bits = [...bytes.subarray(dataOffset, dataOffset + length)].flatMap((byte) => [...byte.toString(2)]);
    const [{ foregroundVoxels }] = lastJson(ended).masks;
    assert.ok(foregroundVoxels > 0);
    assert.equal(bits.filter((bit) => bit === '1').length, foregroundVoxels);
    assert.equal(data.string('x00100010'), name);

    let scans = 0;
    for (const entry of await readdir(home.dir, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const kept = await readFile(path);
      assert.ok(!kept.includes(data.string('x00080018')!), path);
      if (kept.toString('latin1', 128, 132) === 'DICM') scans += kept.includes('Quackenbush') ? 1 : 0;
      else assert.ok(!kept.includes('Quackenbush'), path);
    }
    // A control: the slices themselves are in the store, and are found.
    assert.equal(scans, (await readdir(join(folder, 'series'))).length);
  });

  const REFUSED: [claim: string, args: () => string[], message: RegExp][] = [
    [
      'an unknown run',
      () => [scans[0]!, '--run', 'nobody', '-o', 'a.nii.gz'],
      /nobody: found no such run.*\[RUN_UNKNOWN\]/,
    ],
    ['an unknown model', () => [scans[0]!, '--model', 'nobody', '-o', 'a.nii.gz'], /\[MODEL_UNKNOWN\]/],
    [
      'a scan that is not there',
      () => ['none.nii', '--run', done, '-o', 'a.nii.gz'],
      /none\.nii: found nothing.*\[SCAN_MISSING\]/,
    ],
    ['an output that is no mask', () => [scans[0]!, '--run', done, '-o', 'a.png'], /--output a\.png.*\[USAGE\]/],
    [
      'a segmentation of a scan that is no DICOM',
      () => [scans[0]!, '--run', done, '-o', 'a.dcm', '--format', 'dicom-seg'],
      /no DICOM series.*\[USAGE\]/,
    ],
    ['one file for two scans', () => [...scans, '--run', done, '-o', 'a.nii.gz'], /one file for 2 scans.*\[USAGE\]/],
    ['neither run nor model', () => [scans[0]!, '-o', 'a.nii.gz'], /--run and --model.*\[USAGE\]/],
  ];
  it('refuses in one sentence, with exit code 2, what it cannot do', async () => {
    for (const [claim, args, message] of REFUSED) {
      const ended = await home.run('infer', ...args());
      assert.equal(ended.code, 2, `${claim}: ${ended.stderr}`);
      assert.match(ended.stderr, message, claim);
    }
  });

  it('fails with code and file for a scan that is broken', async () => {
    const broken = join(folder, 'broken.nii.gz');
    await writeFile(broken, (await readFile(scans[0]!)).subarray(0, 5000));
    const ended = await home.run('infer', broken, '--run', done, '-o', join(folder, 'b.nii.gz'), '--json');
    assert.equal(ended.code, 1);
    const { run, failure } = lastJson(ended);
    assert.equal(failure.code, 'NIFTI_TRUNCATED');
    assert.match(ended.stderr, /broken\.nii\.gz: found/);
    const later = await home.run('status', run, '--json');
    assert.deepEqual([later.code, lastJson(later).failure], [1, failure]);
  });
});

describe('samflow status', () => {
  let open: string;
  before(async () => {
    const settings = [
      ...SETTINGS,
      '--set',
      'training.epochs=3000',
      '--set',
      'training.patience=0',
      '--detach',
      '--json',
    ];
    open = lastJson(await home.run('run', CONFIG, ...settings)).run;
  });
  after(() => home.run('cancel', open));

  it('lists runs of every kind, newest first, with status and score', async () => {
    const { code, stdout } = await home.run('status', '--json');
    assert.equal(code, 0);
    const listed: { run: string; kind: string; status: string; dice: number }[] = JSON.parse(stdout).runs;
    assert.deepEqual(
      listed.filter(({ kind }) => kind === 'pipeline').map(({ run, status }) => [run, status]),
      [
        [open, 'running'],
        [done, 'completed'],
      ],
    );
    assert.equal(typeof listed.find(({ run }) => run === done)?.dice, 'number');
    const inferred = listed.filter(({ kind }) => kind === 'infer').map(({ status }) => status);
    assert.deepEqual([...new Set(inferred)].sort(), ['completed', 'failed']);
    // Eighty columns hold it, unless an id is long.
    const lines = (await home.run('status')).stdout.trimEnd().split('\n');
    assert.ok(Math.max(...lines.map((line) => line.length)) <= 80, lines[0]);
  });

  it('shows a run that was started with --detach: its stages and the training', async () => {
    for (const end = Date.now() + 120_000; ; await sleep(200)) {
      const { training, stages, status } = lastJson(await home.run('status', open, '--json'));
      assert.equal(status, 'running');
      if (training) {
        assert.ok(training.step <= training.steps);
        assert.equal(stages.find(({ name }: { name: string }) => name === 'encode').state, 'reused');
        break;
      }
      assert.ok(Date.now() < end, 'no training after two minutes');
    }
  });

  it('shows a finished run as `run` did', async () => {
    const { code, stdout } = await home.run('status', done);
    assert.equal(code, 0);
    assert.match(stdout, /completed[\s\S]*✓ report[\s\S]*zero-shot[\s\S]*Report {4}\S+report\.html/);
    assert.deepEqual(lastJson(await home.run('status', done, '--json')), lastJson(first));
  });

  it('shows the part of a run that encodes by its own id', async () => {
    const { code, stdout, stderr } = await home.run('status', `${done}/encode`, '--json');
    assert.deepEqual([code, JSON.parse(stdout)], [0, { run: `${done}/encode`, status: 'completed' }], stderr);
  });

  it('refuses a run that nobody knows', async () => {
    const { code, stderr } = await home.run('status', 'nobody');
    assert.equal(code, 2);
    assert.match(stderr, /nobody: found no such run.*\[RUN_UNKNOWN\]/);
  });
});

describe('servers that are configured', () => {
  it('without the namespace that is asked for end every command, and a worker, in one sentence with exit code 2', async () => {
    const store = JSON.parse(await readFile(join(home.dir, 'servers.json'), 'utf8')).s3.endpoint;
    const credentials = JSON.parse(await readFile(join(home.dir, 'credentials.json'), 'utf8'));
    const elsewhere = home.with({
      ...{ TEMPORAL_ADDRESS: await home.temporalAddress(), TEMPORAL_NAMESPACE: 'bogus', SAMFLOW_S3_ENDPOINT: store },
      SAMFLOW_S3_ACCESS_KEY_ID: credentials.accessKeyId,
      SAMFLOW_S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      ...{ SAMFLOW_PATIENT_KEY: credentials.patientKey, SAMFLOW_LOG_FILE: join(home.dir, 'worker.log') },
    });
    for (const args of [
      ['status'],
      ['status', done],
      ['run', CONFIG],
      ['schedule', 'list'],
      ['worker', '--pool', 'cpu'],
    ]) {
      const { code, stderr } = await elsewhere.run(...args);
      assert.equal(code, 2, `${args.join(' ')}: ${stderr}`);
      assert.match(stderr, /^✗ TEMPORAL_NAMESPACE: found `bogus`, [^\n]*\[CONFIG\]\n$/, args.join(' '));
    }
  });
});

describe('the end of samflow dev', () => {
  it('leaves servers and workers to a run that was detached when it ends, until `samflow dev --stop`', async () => {
    const atWork = await home.pids();
    dev.child.kill('SIGINT');
    assert.equal((await dev.finished).code, 0);
    assert.deepEqual(atWork.filter(isAlive), atWork);
    assert.equal((await home.run('dev', '--stop')).stdout, 'Stopped.\n');
    assert.deepEqual(await survivors(atWork), []);
    assert.equal((await home.run('dev', '--stop')).stdout, 'Nothing was running.\n');
  });

  const ENDS: [claim: string, end: (again: Running) => unknown][] = [
    ['on Ctrl-C', (again) => again.child.kill('SIGINT')],
    ['when `samflow dev --stop` is given in another terminal', () => home.run('dev', '--stop')],
  ];
  for (const [claim, end] of ENDS) {
    it(`ends with exit code 0 and everything it has started ${claim}`, async () => {
      const again = home.start('dev');
      await again.until(/S3 +http/);
      const atWork = await home.pids();
      await end(again);
      assert.equal((await again.finished).code, 0, again.text());
      assert.deepEqual(await survivors(atWork), []);
      assert.ok(await home.isQuiet());
    });
  }
});
