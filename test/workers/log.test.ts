import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ActivityFailure, type ApplicationFailure, RetryState } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { toFailure } from '../../activities/failures.ts';
import { STAGES } from '../../contracts/queues.ts';
import { Fault } from '../../lib/fault.ts';
import { logActivities, subjectOf } from '../../workers/activity-subject.ts';
import { openLog } from '../../workers/log.ts';
import { logRecord } from '../../workers/log-record.ts';
import { textOfLine } from '../../workers/log-text.ts';
import { stageOf } from '../../workers/stage-names.ts';

/** Of every line. */
const HEAD = ['level', 'time', 'pools', 'pid', 'message'];
/** As the SDK hands it on with a message about an activity. */
const ACTIVITY = {
  ...{ isLocal: false, attempt: 2, namespace: 'default', taskToken: 'c2VjcmV0', activityId: '7' },
  ...{ activityType: 'encodeShard', taskQueue: 'samflow-gpu', workflowId: 'lungs-1/encode', workflowRunId: 'r-1' },
  ...{ workflowType: 'encodeWorkflow', durationMs: 12, sdkComponent: 'worker' },
};
const SLICES = { kind: 'slices', key: `cas/sha256/${'ab'.repeat(32)}`, sha256: 'ab'.repeat(32), bytes: 9 };

function fault(): ApplicationFailure {
  const cause = Object.assign(new Error("EACCES: '/scans/Doe_John/ct.nii'"), { code: 'EACCES' });
  const details = { at: 'ct.nii', found: 'a file that may not be read', expected: 'a scan', fix: 'Allow it' };
  return toFailure(new Fault('SOURCE_DENIED', details, { cause })) as ApplicationFailure;
}

describe('a line of the log', () => {
  it('tells run, stage and attempt under our own names, and nothing that is not in the list', () => {
    assert.deepEqual(logRecord({ ...ACTIVITY, input: { path: '/scans/Doe_John' }, patient: 'p-0123456789ab' }), {
      ...{ run: 'lungs-1/encode', stage: 'encode', patient: 'p-0123456789ab', attempt: 2 },
      ...{ workflow: 'encodeWorkflow', execution: 'r-1', queue: 'samflow-gpu', namespace: 'default', durationMs: 12 },
    });
  });

  it('tells a fault by its code, its sentence and the system’s word, without a stack', () => {
    const sentence = 'ct.nii: found a file that may not be read, expected a scan. Allow it. [SOURCE_DENIED]';
    const expected = { code: 'SOURCE_DENIED', reason: sentence, cause: 'EACCES' };
    assert.deepEqual(logRecord({ error: fault() }), expected);
    const ofWorkflow = new ActivityFailure(
      'Activity task failed',
      'convert',
      '1',
      RetryState.MAXIMUM_ATTEMPTS_REACHED,
      'w',
      fault(),
    );
    assert.deepEqual(logRecord({ error: ofWorkflow }), expected);
    // Errors of workflows are of another realm's classes.
    assert.deepEqual(logRecord({ error: { message: 'x', cause: { type: 'A_CODE', message: 'why' } } }), {
      ...{ code: 'A_CODE', reason: 'why' },
    });
    // And between threads nothing is left of them but the sentence.
    assert.deepEqual(logRecord({ error: new Error(sentence) }), { code: 'SOURCE_DENIED', reason: sentence });
  });

  it('tells any other error without the paths it names, but with the places in the code', () => {
    const error = new Error("ENOENT: no such file, open '/scans/Doe_John/ct.nii'");
    const { reason, frames } = logRecord({ error }) as { reason: string; frames: string[] };
    assert.equal(reason, 'ENOENT: no such file, open …');
    assert.match(frames[0]!, /log\.test\.ts/);
  });

  it('drops values that are no words or numbers, whatever they are called', () => {
    assert.deepEqual(logRecord({ reason: { path: '/scans' }, patient: null, needed: ['A', 'B'], signal: undefined }), {
      needed: ['A', 'B'],
    });
  });

  it('names every stage as contracts do', () => {
    const activities = [
      'download',
      'convert',
      'slice',
      'split',
      'encodeShard',
      'fineTune',
      'evaluate',
      'infer',
      'report',
    ];
    assert.deepEqual(activities.map(stageOf), [...STAGES]);
    assert.equal(stageOf('toString'), 'toString');
  });
});

describe('what an activity is about', () => {
  it('is a patient’s key or a shard of slices, where the input has the form of one', () => {
    assert.deepEqual(subjectOf({ patient: 'p-0123456789ab', volume: {} }), { patient: 'p-0123456789ab' });
    assert.deepEqual(subjectOf({ slices: SLICES, from: 0, to: 16 }), { shard: 'abababab:0-16' });
  });

  it('is nothing where it has not: a name is never taken for a key', () => {
    for (const input of [undefined, null, 'x', {}, { patient: 'Doe^John' }, { slices: SLICES }, { from: 0, to: 3 }]) {
      assert.deepEqual(subjectOf(input), {});
    }
  });
});

describe('an activity that is done', () => {
  it('gets a line that says so, with its time and whether the store had the result', async () => {
    const told: [string, unknown][] = [];
    const logger = new DefaultLogger('INFO', ({ message, meta }) => void told.push([message, meta]));
    const environment = new MockActivityEnvironment({}, { logger });
    const { inbound, outbound } = logActivities(environment.context);
    const input = { args: [{ patient: 'p-0123456789ab' }], headers: {} };
    await environment.run(() => inbound!.execute!(input, async () => ({ reused: true, bytes: 'x' })));
    assert.equal(told.length, 1);
    const [message, meta] = told[0]!;
    assert.equal(message, 'done');
    const { reused, durationMs } = meta as Record<string, unknown>;
    assert.equal(reused, true);
    assert.ok(Number.isInteger(durationMs));
    assert.deepEqual(
      outbound!.getLogAttributes!({ a: 1 }, (attributes) => attributes),
      {
        ...{ a: 1, patient: 'p-0123456789ab' },
      },
    );
  });
});

describe('the log', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'samflow-log-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** What is written in a form. */
  async function written(logForm: 'json' | 'text' | null): Promise<string> {
    const logFile = join(folder, `${logForm}.log`);
    const log = openLog({ logLevel: 'info', logFile, logForm }, ['io', 'cpu']);
    log.warn({ ...ACTIVITY, error: fault() }, 'Activity failed');
    log.debug('not told at this level');
    return readFile(logFile, 'utf8');
  }

  it('is one JSON object on each line, with time, level, message and pools', async () => {
    const [line, rest] = (await written(null)).split('\n');
    const { time, pid, reason, ...told } = JSON.parse(line!);
    assert.equal(rest, '');
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
    assert.equal(pid, process.pid);
    assert.match(reason, /SOURCE_DENIED/);
    assert.deepEqual(told, {
      ...{ level: 'warn', pools: 'io,cpu', message: 'Activity failed', run: 'lungs-1/encode', stage: 'encode' },
      ...{ attempt: 2, workflow: 'encodeWorkflow', execution: 'r-1', queue: 'samflow-gpu', namespace: 'default' },
      ...{ durationMs: 12, code: 'SOURCE_DENIED', cause: 'EACCES' },
    });
  });

  it('holds no field that nobody has put on the list, wherever it is planted', async () => {
    const logFile = join(folder, 'planted.log');
    const planted = { patientName: 'QUACKENBUSH', headers: { authorization: 'QUACKENBUSH' }, input: ['QUACKENBUSH'] };
    const log = openLog({ logLevel: 'trace', logFile, logForm: null }, ['io']);
    log.info({ ...planted, attempt: 1 }, 'told');
    log.error({ error: Object.assign(new Error('lost'), planted) }, 'failed');
    log.trace({ err: { ...planted, type: 'A_CODE', message: 'why' } }, 'foreign');
    const lines = (await readFile(logFile, 'utf8')).trim().split('\n');
    assert.doesNotMatch(lines.join(), /quackenbush/i);
    const names = lines.map((line) => Object.keys(JSON.parse(line)).filter((name) => !HEAD.includes(name)));
    assert.deepEqual(names, [['attempt'], ['reason', 'frames'], ['code', 'reason']]);
  });

  it('is text for people on demand', async () => {
    const text = await written('text');
    assert.match(
      text,
      /^\d\d:\d\d:\d\d\.\d{3} WARN {2}\[io,cpu\] Activity failed {2}run=lungs-1\/encode {2}stage=encode /,
    );
    assert.match(text, /code=SOURCE_DENIED {2}reason="ct\.nii: found/);
  });

  it('puts the places in the code below the line, as text', () => {
    const line = JSON.stringify({
      time: '2026-01-02T03:04:05.678Z',
      level: 'warn',
      pools: 'gpu',
      message: 'm',
      frames: ['    at f'],
    });
    assert.match(textOfLine(line), /^03:04:05\.678 WARN {2}\[gpu\] m\n {4}at f\n$/);
  });

  it('is lost where its disk has no room, and the worker works on', () => {
    const use = `import { openLog } from '${new URL('../../workers/log.ts', import.meta.url)}';
      const log = openLog({ logLevel: 'info', logFile: process.argv[1], logForm: 'json' }, ['gpu']);
      for (let line = 0; line < 500; line++) log.info({}, 'a line of the log');
      setTimeout(() => console.log('alive'), 10);`;
    // A bound on the size of files, of 4 KiB: writing beyond it fails as it does on a full disk.
    const command = 'ulimit -f 8; exec "$0" --import tsx --input-type=module -e "$1" "$2"';
    const args = ['-c', command, process.execPath, use, join(folder, 'full.log')];
    const { stdout, stderr } = spawnSync('sh', args, { encoding: 'utf8' });
    assert.deepEqual([stdout, stderr], ['alive\n', '']);
  });
});
