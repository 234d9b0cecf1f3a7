import { randomInt } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import pc from 'picocolors';
import { Fault } from '../../lib/fault.ts';
import type { PreparedRun } from '../config/prepare.ts';
import { stateDirOf } from '../dev/folders.ts';
import { EXIT } from '../exit-codes.ts';
import { onInterrupt } from '../interrupt.ts';
import { ProofInstallation } from './installation.ts';
import { type Inspect, proveResume } from './prove.ts';
import { proofJson, renderProof } from './text.ts';

export interface ProofArguments {
  readonly kills: number;
  /** Orders to end (SIGTERM) beside them. */
  readonly ends?: number;
  /** Decides when the worker is killed; default: by chance. */
  readonly seed?: number | undefined;
  readonly json?: boolean | undefined;
  readonly inspect?: Inspect;
}

/** Proves a configuration's resume in a folder of its own, and says how. Returns the exit code: 1 where anything differs. */
export async function withProof(prepared: PreparedRun, options: ProofArguments): Promise<number> {
  const { kills, ends = 1, seed = randomInt(2 ** 31), json = false, inspect } = options;
  const signal = onInterrupt();
  const say = (line: string): void => void (json ? process.stderr : process.stdout).write(`${line}\n`);
  const report = (line: string): void => void process.stderr.write(`${pc.dim(line)}\n`);
  const folder = await mkdtemp(join(tmpdir(), 'samflow-proof-'));
  // Where the servers were installed: they are not to be built anew for a folder that lives for minutes.
  const path = [join(stateDirOf(process.env), 'bin'), process.env.PATH].join(delimiter);
  const installation = await ProofInstallation.open(folder, { ...process.env, PATH: path }, { signal });
  try {
    const proof = await proveResume(prepared, installation, { kills, ends, seed, report, signal, inspect });
    say(renderProof(proof));
    if (json) process.stdout.write(`${proofJson(proof)}\n`);
    return proof.violations.length === 0 ? EXIT.ok : EXIT.failed;
  } finally {
    await installation.close();
  }
}

/** A whole number from a command line. @throws Fault USAGE */
export function wholeNumber(at: string, text: string, least = 0): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value < 2 ** 31) return value;
  const details = { found: `\`${text}\``, expected: `a whole number from ${least}`, fix: `Say e.g. ${at} 3` };
  throw new Fault('USAGE', { at, ...details });
}
