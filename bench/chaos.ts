import { randomInt } from 'node:crypto';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { prepareRun } from '../cli/config/prepare.ts';
import { stateDirOf } from '../cli/dev/folders.ts';
import { EXIT } from '../cli/exit-codes.ts';
import { wholeNumber, withProof } from '../cli/resume-proof/with-proof.ts';
import { tellError } from '../cli/tell-error.ts';
import { RunConfig, type RunConfigInput } from '../contracts/config.ts';
import { Fault as Refusal } from '../lib/fault.ts';
import { EPOCHS, faultyConfig } from './faults/config.ts';
import { FAULT_IDS, type FaultId } from './faults/fault.ts';
import { Ground, type Outcome } from './faults/ground.ts';
import { inspected } from './faults/invariants.ts';
import { planFaults } from './faults/plan.ts';

/**
 * Disturbs small runs, and compares what comes out with a run that nobody touched:
 *
 *     npm run chaos -- --kills 50 [--seed S] [--json]                          one run, its gpu worker killed so many times
 *     npm run chaos -- --faults all|F3,F4,… [--times N] [--seed S] [--json]    so many runs for each fault, one fault in each
 *
 * The seed decides when and how; without one it is drawn, and printed. Exit code 1 where anything differs.
 */

/** Steps enough for every kill to fall on others. */
export const chaosConfig = (kills: number): RunConfigInput => faultyConfig(10 + 4 * kills);

interface Wanted {
  readonly seed: number | undefined;
  readonly json: boolean | undefined;
}

async function killOften(kills: number, { seed, json }: Wanted): Promise<number> {
  const prepared = await prepareRun(RunConfig.parse(chaosConfig(kills)));
  return withProof(prepared, {
    ...{ kills, ends: Math.ceil(kills / 10), seed, json },
    inspect: async ({ workflowId: id }, endings, bucket, installation) =>
      (await inspected([{ id }], endings, bucket, installation)).violations,
  });
}

async function disturb(ids: readonly FaultId[], times: number, { seed: given, json }: Wanted): Promise<number> {
  const seed = given ?? randomInt(2 ** 31);
  const say = (line: string): void => void (json ? process.stderr : process.stdout).write(`${line}\n`);
  const path = [join(stateDirOf(process.env), 'bin'), process.env.PATH].join(delimiter);
  const prepared = await prepareRun(RunConfig.parse(faultyConfig(EPOCHS)));
  // Servers and workers end with this process.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(EXIT.interrupted));
  const ground = await Ground.open(prepared, { ...process.env, PATH: path });
  const outcomes: Outcome[] = [];
  try {
    const plan = planFaults(ids, times, seed);
    say(`${plan.length} runs, each with one fault, by seed ${seed}`);
    const { seconds, account } = await ground.untouched();
    say(
      `untouched: ${seconds.toFixed(1)} s, ${account.violations.join('; ') || `${account.chain.length} checkpoints`}`,
    );
    for (const [at, fault] of plan.entries()) {
      const why = fault.impossible?.() ?? null;
      if (why === null) outcomes.push(await ground.provoke(fault));
      say(`${at + 1} of ${plan.length}: ${why === null ? textOf(outcomes.at(-1)!) : `${fault.id}: left out: ${why}`}`);
    }
  } finally {
    await ground.close();
  }
  const broken = outcomes.filter(({ violations }) => violations.length > 0);
  say(
    broken.length === 0
      ? `${outcomes.length} runs ended as the one that nobody touched, bit by bit; seed ${seed}.`
      : `${broken.length} of ${outcomes.length} runs did not end as the one that nobody touched; seed ${seed}.`,
  );
  if (json) process.stdout.write(`${JSON.stringify({ seed, proved: broken.length === 0, outcomes })}\n`);
  return broken.length === 0 ? EXIT.ok : EXIT.failed;
}

function textOf({ fault: { id, title }, seconds, retries, violations }: Outcome): string {
  const head = `${id}: ${title}: ${seconds.toFixed(1)} s, ${retries} more attempts`;
  return [head, ...violations.map((sentence) => `  ✗ ${sentence}`)].join('\n');
}

function idsIn(text: string): FaultId[] {
  const words = text === 'all' ? FAULT_IDS : text.split(',');
  return words.map((word) => {
    const id = FAULT_IDS.find((known) => known === word);
    if (id) return id;
    const details = { found: `\`${word}\``, expected: `all, or some of ${FAULT_IDS.join(',')}`, fix: 'Say e.g. F3,F7' };
    throw new Refusal('USAGE', { at: '--faults', ...details });
  });
}

async function chaos(): Promise<number> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: { kills: text, faults: text, times: text, seed: text, json: { type: 'boolean' } },
  });
  const seed = values.seed === undefined ? undefined : wholeNumber('--seed', values.seed);
  const wanted = { seed, json: values.json };
  if (values.faults === undefined) return killOften(wholeNumber('--kills', values.kills ?? '50', 1), wanted);
  return disturb(idsIn(values.faults), wholeNumber('--times', values.times ?? '1', 1), wanted);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await chaos().catch((error) => tellError(error, process.argv.includes('--json')));
}
