/**
 * The one test command. Type check and Biome first, then the tests of test/, tier by tier:
 *   pure      no native code, no server                                  x.test.ts
 *   runtime   opens ONNX sessions on the processor                       x.runtime.test.ts
 *   service   starts Temporal, S3 and workers                            x.service.test.ts
 *
 * Files run side by side. Those that say how long something takes, or that need the machine for themselves, are called
 * x.alone.TIER.test.ts and run one by one after the others of their tier.
 *
 *   npm test                          everything
 *   npm test -- pure runtime          these tiers
 *   npm test -- lib/volume            files whose path holds this text, or one of several
 *
 * The last line counts all of it: `N passed, N failed, N skipped`. The exit code is 1 when anything failed.
 * Plain Node without dependencies, so that a broken installation is reported and does not crash the reporter.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const CORES = availableParallelism();

/** In the order in which they run: the quickest news first. */
const TIERS = [
  { name: 'pure', concurrency: CORES, timeoutS: 120 },
  // Sessions bring threads of their own.
  { name: 'runtime', concurrency: Math.max(1, Math.floor(CORES / 2)), timeoutS: 600 },
  // Half of their time they wait: for servers, heartbeats and workers to be missed.
  { name: 'service', concurrency: Math.min(CORES, 4), timeoutS: 900 },
];
const CHECKS = [
  { name: 'type check', script: 'node_modules/typescript/lib/tsc.js', args: ['--noEmit'] },
  { name: 'Biome', script: 'node_modules/@biomejs/biome/bin/biome', args: ['check', '--error-on-warnings', '.'] },
];

const isAlone = (file) => file.includes('.alone.');
export const tierOf = (file) => TIERS.find(({ name }) => file.endsWith(`.${name}.test.ts`))?.name ?? 'pure';
const testFiles = () =>
  readdirSync(path.join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .map((file) => `test/${file.replaceAll(path.sep, '/')}`)
    .filter((file) => file.endsWith('.test.ts'))
    .sort();

/** Runs node on `args` with our output; resolves with the exit code, never rejects. */
function runNode(args) {
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: 'inherit' });
  const forward = (signal) => child.kill(signal);
  process.on('SIGTERM', forward).on('SIGINT', forward);
  return new Promise((resolve) => {
    child.on('error', () => resolve(1));
    child.on('close', (code) => {
      process.off('SIGTERM', forward).off('SIGINT', forward);
      resolve(code ?? 1);
    });
  });
}

/** The totals that Node's TAP reporter ends with. A run that died before it could count is one failure. */
export function readTotals(tap, exitCode) {
  const count = (name) => Number(tap.match(new RegExp(`^# ${name} (\\d+)$`, 'm'))?.[1] ?? 0);
  const failed = count('fail') + count('cancelled');
  return {
    passed: count('pass'),
    failed: exitCode !== 0 && failed === 0 ? 1 : failed,
    skipped: count('skipped') + count('todo'),
  };
}

async function runTier(tier, files) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const alone = files.filter(isAlone);
  const together = files.filter((file) => !isAlone(file));
  if (together.length > 0) add(total, await runFiles(tier, together));
  if (alone.length > 0) add(total, await runFiles({ ...tier, concurrency: 1 }, alone));
  return total;
}

function add(total, counts) {
  for (const key of Object.keys(total)) total[key] += counts[key];
}

async function runFiles({ concurrency, timeoutS }, files) {
  const scratch = mkdtempSync(path.join(tmpdir(), 'samflow-test-'));
  const tap = path.join(scratch, 'totals.tap');
  try {
    const exitCode = await runNode([
      '--import',
      'tsx',
      '--test',
      `--test-concurrency=${concurrency}`,
      `--test-timeout=${timeoutS * 1000}`,
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      '--test-reporter=tap',
      `--test-reporter-destination=${tap}`,
      ...files,
    ]);
    return readTotals(readIfThere(tap), exitCode);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

async function main(args) {
  const tiers = args.filter((arg) => TIERS.some(({ name }) => name === arg));
  const filters = args.filter((arg) => !tiers.includes(arg)).map((arg) => arg.replace(/^\.?\//, ''));
  const total = { passed: 0, failed: 0, skipped: 0 };
  const heading = (text) => console.log(`\n── ${text} ${'─'.repeat(Math.max(4, 76 - text.length))}`);

  for (const { name, script, args: checkArgs } of CHECKS) {
    heading(name);
    const exitCode = await runNode([path.join(ROOT, script), ...checkArgs]);
    if (exitCode === 0) console.log(`✔ ${name}`);
    else console.log(`✖ ${name} failed`);
    add(total, { passed: Number(exitCode === 0), failed: Number(exitCode !== 0), skipped: 0 });
  }
  const files = testFiles().filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)));
  const left = [];
  let ran = 0;
  for (const tier of TIERS) {
    const own = files.filter((file) => tierOf(file) === tier.name);
    if (tiers.length > 0 && !tiers.includes(tier.name)) left.push(`${tier.name} (not asked for)`);
    else if (own.length === 0) left.push(`${tier.name} (no file${filters.length > 0 ? ' fits the filter' : ''})`);
    else {
      heading(`${tier.name}: ${own.length} ${own.length === 1 ? 'file' : 'files'}`);
      ran += own.length;
      add(total, await runTier(tier, own));
    }
  }
  if (left.length > 0) console.log(`\nTiers left out: ${left.join(', ')}`);
  if (ran === 0) {
    console.log(`No test file fits: ${args.join(' ')}`);
    total.failed += 1;
  }
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2));
