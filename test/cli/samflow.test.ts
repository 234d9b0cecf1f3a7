import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Home, lastJson, survivors } from '../helpers/cli.ts';
import { writeEndlessGo } from '../helpers/scripts.ts';
import { until } from '../helpers/until.ts';

let home: Home;
before(async () => {
  home = await Home.make();
});
after(() => rm(home.dir, { recursive: true }));

const noStack = (text: string): void => assert.doesNotMatch(text, /^\s+at .*:\d+:\d+\)?$/m);

describe('the command', () => {
  it('refuses a Node that is too old in one sentence, before it loads anything that such a Node cannot read', async () => {
    const versions = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.5.1' } })";
    const args = ['--import', `data:text/javascript,${versions}`, 'cli/samflow.mjs', 'status'];
    const { code, stdout, stderr } = await home.launch(process.execPath, args).finished;
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /^samflow: this is Node 20\.5\.1, and samflow needs >=20\.6\. Install a newer one .*\n$/);
  });

  it('starts where there is no folder for temporary files', async () => {
    const command = ['-c', 'TMPDIR=$0 exec node cli/samflow.mjs --version', join(home.dir, 'not there')];
    const { code, stdout, stderr } = await home.launch('sh', command).finished;
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^\d+\.\d+\.\d+/);
  });
});

describe('a command line that cannot be used', () => {
  const REFUSED: [args: string[], message: RegExp][] = [
    [['rn'], /^✗ samflow: unknown command 'rn' \(Did you mean run\?\)\. See `samflow --help`\. \[USAGE\]\n$/],
    [['run'], /^✗ samflow run: missing required argument 'config'\. See `samflow run --help`\. \[USAGE\]\n$/],
    [
      ['schedule', 'create', '--foo'],
      /^✗ samflow schedule create: unknown option '--foo'\. See `samflow schedule create --help`/,
    ],
    [['worker', '--pool', 'gpus'], /^✗ --pool: found `gpus`, expected some of io, cpu, gpu\. .*\[WORKER_CONFIG\]\n$/],
  ];
  for (const [args, message] of REFUSED) {
    it(`is refused in one sentence with exit code 2: samflow ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await home.run(...args);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, message);
    });
  }

  it('gives its code to a script', async () => {
    assert.equal(lastJson(await home.run('status', '--json', '--foo')).failure.code, 'USAGE');
  });
});

describe('help', () => {
  it('has a sentence for every command, argument and option, and fits eighty columns', async () => {
    const { stdout } = await home.run('--help');
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) .*[[<]/gm)].map((match) => [match[1]!]);
    const parts = ['create', 'list', 'trigger', 'delete'].map((name) => ['schedule', name]);
    assert.ok(commands.length >= 10);
    for (const words of [[], ...commands, ['schedule'], ...parts]) {
      const { code, stdout: text } = await home.run(...words, '--help');
      assert.equal(code, 0);
      assert.ok(Math.max(...text.split('\n').map((line) => line.length)) <= 80, text);
      // A term alone in its line has its sentence in the next one.
      const bare = text
        .split('\n')
        .filter((line, at, lines) => /^ {2}\S+( \S+)*$/.test(line) && !/^ {10}/.test(lines[at + 1] ?? ''));
      assert.deepEqual(bare, [], words.join(' '));
      assert.doesNotMatch(text, /default: \[\]/);
    }
  });

  it('goes to stdout, and so does the version', async () => {
    const { code, stdout, stderr } = await home.run('--version');
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    assert.deepEqual([code, stdout, stderr], [0, `${version}\n`, '']);
  });
});

describe('Ctrl-C while a server is being built', () => {
  it('ends the command at once with exit code 130, and leaves neither a process nor half a binary', async () => {
    const [go, pids] = [join(home.dir, 'go'), join(home.dir, 'pids')];
    await writeEndlessGo(go, pids);
    for (const args of [['demo'], ['dev']]) {
      await rm(pids, { force: true });
      const running = home.with({ PATH: `${go}:/usr/bin:/bin` }).start(...args);
      const built = await until(() => readFile(pids, 'utf8').catch(() => null));
      const began = performance.now();
      running.child.kill('SIGINT');
      const { code, stderr } = await running.finished;
      // A second, mostly; the build would go on for a minute.
      assert.ok(performance.now() - began < 5_000, `${args}: ${performance.now() - began} ms`);
      assert.equal(code, 130, stderr);
      assert.match(stderr, /\nStopped\.\n$/);
      assert.deepEqual(await survivors(built.trim().split(' ').map(Number)), []);
      assert.deepEqual(await readdir(join(home.dir, 'bin')), []);
    }
  });
});

describe('a Temporal configuration that cannot be used', () => {
  let toml: string;
  before(async () => {
    toml = join(await mkdtemp(join(tmpdir(), 'samflow-toml-')), 'temporal.toml');
    await writeFile(toml, '[profile.default]\naddress = "127.0.0.1:1"\napi_key = secret\n');
  });
  after(() => rm(join(toml, '..'), { recursive: true }));

  const CASES: [claim: string, env: () => NodeJS.ProcessEnv, message: RegExp][] = [
    [
      'a profile that is not there',
      () => ({ TEMPORAL_PROFILE: 'bogus' }),
      /^✗ TEMPORAL_PROFILE: found `bogus`, .*\[CONFIG\]\n$/,
    ],
    [
      'a file that is no TOML, of which nothing is shown',
      () => ({ TEMPORAL_CONFIG_FILE: toml, TEMPORAL_PROFILE: 'default' }),
      /^✗ TEMPORAL_CONFIG_FILE: found no TOML in line 3 \(Invalid TOML document: [^\n]*\[CONFIG\]\n$/,
    ],
    [
      'a certificate that is not there',
      () => ({ TEMPORAL_ADDRESS: '127.0.0.1:1', TEMPORAL_TLS_SERVER_CA_CERT_PATH: join(toml, '..', 'none.pem') }),
      /^✗ \S+none\.pem: found nothing at this path \(ENOENT, open\), .*\[FILE_ACCESS\]\n$/,
    ],
  ];
  for (const [claim, env, message] of CASES) {
    it(`is refused in one sentence with exit code 2: ${claim}`, async () => {
      const { code, stdout, stderr } = await home.with(env()).run('status');
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /secret/);
    });
  }

  it('shows where it comes from when SAMFLOW_DEBUG is set, and its code to a script', async () => {
    const env = { TEMPORAL_PROFILE: 'bogus', SAMFLOW_DEBUG: '1' };
    const ended = await home.with(env).run('status', '--json');
    assert.match(ended.stderr, /\[CONFIG\]\nError: Profile 'bogus' not found in config data\n {4}at /);
    assert.equal(lastJson(ended).failure.code, 'CONFIG');
    noStack((await home.with({ ...env, SAMFLOW_DEBUG: '' }).run('status')).stderr);
  });
});
