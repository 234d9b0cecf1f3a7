import pc from 'picocolors';
import type { RunResult } from '../contracts/cross-validation.ts';
import { crossValidationJson, fetchReports, renderCrossValidation } from './cross-validation-outcome.ts';
import type { Platform } from './dev/platform.ts';
import { EXIT } from './exit-codes.ts';
import { type RunFailure, readFailure } from './run-failure.ts';
import { type End, fetchFiles, outcomeJson, renderOutcome, runUrl } from './run-outcome.ts';
import { openScreen, watchRun } from './watch/watch.ts';

export interface FollowOptions {
  readonly stateDir: string;
  /** One JSON object as the last line of stdout; everything for people goes to stderr then. */
  readonly json: boolean;
  /** Servers and workers are still there when the command has ended. */
  readonly stays: boolean;
  readonly signal: AbortSignal;
}

export type Ending<T> = { readonly result: T } | { readonly failure: RunFailure };

/**
 * Watches a workflow to its end, whoever started it.
 * @throws Interrupted when the user has seen enough; Fault when a server of ours is lost
 */
export async function followWorkflow<T>(id: string, platform: Platform, options: FollowOptions): Promise<Ending<T>> {
  const lost = new AbortController();
  void platform.failed.then((fault) => lost.abort(fault));
  const screen = openScreen(options.json ? process.stderr : process.stdout);
  await watchRun(platform, id, screen, AbortSignal.any([options.signal, lost.signal]));
  return endingOf(id, platform);
}

/** How a closed workflow ended. */
export async function endingOf<T>(id: string, platform: Platform): Promise<Ending<T>> {
  try {
    return { result: (await platform.client.workflow.getHandle(id).result()) as T };
  } catch (error) {
    const failure = await readFailure(error, platform);
    if (!failure) throw error;
    return { failure };
  }
}

/** Follows a pipeline or a cross-validation and says how it ended. Returns the exit code. */
export async function followRun(run: string, platform: Platform, options: FollowOptions): Promise<number> {
  const ending = await followWorkflow<RunResult>(run, platform, options);
  return tellEnding(run, ending, platform, options);
}

export async function tellEnding(
  run: string,
  ending: Ending<RunResult>,
  platform: Platform,
  { json, stays, stateDir }: Pick<FollowOptions, 'json' | 'stays' | 'stateDir'>,
): Promise<number> {
  if ('failure' in ending) {
    tellFailure(run, ending.failure, platform);
    if (json) process.stdout.write(`${outcomeJson(run, ending)}\n`);
    return EXIT.failed;
  }
  const { text, object } = await outcomeOf(ending.result, { platform, stays }, stateDir);
  (json ? process.stderr : process.stdout).write(`${text}\n`);
  if (json) process.stdout.write(`${object}\n`);
  return EXIT.ok;
}

/** What a good end is told as, to people and to scripts, once its files are here. */
async function outcomeOf(result: RunResult, end: End, stateDir: string): Promise<{ text: string; object: string }> {
  const { platform, stays } = end;
  if ('folds' in result) {
    const report = await fetchReports(result, platform, stateDir);
    return { text: renderCrossValidation(result, report, end), object: crossValidationJson(result, report) };
  }
  const files = await fetchFiles(result, platform, stateDir);
  return { text: renderOutcome(result, files, platform, stays), object: outcomeJson(result.run, { result, files }) };
}

/** A workflow that gave nothing: why, for people, and with `rest` for scripts. Returns the exit code. */
export function tellFailed(
  id: string,
  failure: RunFailure,
  { platform, json }: { readonly platform: Platform; readonly json: boolean },
  rest: object = {},
): number {
  tellFailure(id, failure, platform);
  const { status, code, message, file } = failure;
  if (json) process.stdout.write(`${JSON.stringify({ run: id, status, ...rest, failure: { code, message, file } })}\n`);
  return EXIT.failed;
}

/** On stderr: what failed, where, and the way out. No stack trace: it is no bug of the reader's. */
export function tellFailure(run: string, { status, message, file }: RunFailure, platform: Platform): void {
  const url = runUrl(run, platform);
  const lines = [
    `${pc.red('✗')} ${status === 'failed' ? `${pc.bold('The run failed.')} ` : ''}${message}`,
    ...(file === null ? [] : [`  File: ${file} (in the source)`]),
    ...(status === 'failed' ? ['  What is done is kept: start the same command again when this is mended.'] : []),
    ...(url ? [pc.dim(`  ${url}`)] : []),
  ];
  process.stderr.write(`\n${lines.join('\n')}\n`);
}
