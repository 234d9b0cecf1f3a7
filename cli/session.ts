import pc from 'picocolors';
import { stateDirOf } from './dev/folders.ts';
import { openPlatform, type Platform } from './dev/platform.ts';
import { EXIT } from './exit-codes.ts';
import type { FollowOptions } from './follow-run.ts';
import { Interrupted, onInterrupt } from './interrupt.ts';

export interface SessionOptions {
  readonly json?: boolean | undefined;
  /** Leave servers and workers running afterwards. */
  readonly keep?: boolean | undefined;
  /** False for commands that only look. */
  readonly workers?: boolean | undefined;
}

/** What a command works with while servers are there. */
export interface Session extends FollowOptions {
  readonly platform: Platform;
  /** Says something to people: on stdout, or on stderr where stdout is for JSON. */
  say(line: string): void;
}

/** Opens servers (or connects to the configured ones), runs a command's body, and gives them back however it ends. */
export async function withSession(
  { json = false, keep = false, workers = true }: SessionOptions,
  body: (session: Session) => Promise<number>,
): Promise<number> {
  const stateDir = stateDirOf(process.env);
  const say = (line: string): void => void (json ? process.stderr : process.stdout).write(`${line}\n`);
  const report = (line: string): void => void process.stderr.write(`${pc.dim(line)}\n`);
  const signal = onInterrupt();
  const platform = await openPlatform({ stateDir, env: process.env, report, workers, signal });
  const stays = keep || platform.joined;
  try {
    signal.throwIfAborted();
    return await body({ platform, stateDir, json, stays, signal, say });
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    say(
      stays
        ? '\nNo longer watching; the work goes on. The same command watches it again.'
        : '\nStopped. What is done is kept: the same command goes on from there.',
    );
    return EXIT.interrupted;
  } finally {
    await platform.close({ keep });
  }
}
