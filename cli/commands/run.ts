import pc from 'picocolors';
import type { PipelineInput } from '../../contracts/pipeline.ts';
import type { RunPriority } from '../../contracts/priority.ts';
import type { Stage } from '../../contracts/queues.ts';
import { Fault } from '../../lib/fault.ts';
import { prepareRun } from '../config/prepare.ts';
import { readConfig } from '../config/read-config.ts';
import { EXIT } from '../exit-codes.ts';
import { followRun } from '../follow-run.ts';
import { runUrl } from '../run-outcome.ts';
import { type Session, withSession } from '../session.ts';
import { freshFrom, pipelineInput, startRun } from '../start-run.ts';
import { unverifiedSource } from '../unverified-source.ts';

export interface FollowingOptions {
  readonly priority?: RunPriority;
  readonly detach?: boolean;
  readonly json?: boolean;
  readonly keep?: boolean;
}

export interface RunOptions extends FollowingOptions {
  readonly set?: readonly string[];
  readonly from?: Stage;
  readonly force?: boolean;
}

/** `samflow run CONFIG`: everything that can be wrong with the configuration is said before anything is started. */
export async function runCommand(file: string, { set, from, force, ...how }: RunOptions): Promise<number> {
  if (from && force) {
    const details = { found: 'both', expected: 'one of them', fix: 'Leave --force out: it is --from download' };
    throw new Fault('USAGE', { at: '--from and --force', ...details });
  }
  const prepared = await prepareRun(await readConfig(file, set));
  const fresh = freshFrom(force ? 'download' : from);
  return startAndFollow(how, async ({ platform, say }) => {
    const unverified = unverifiedSource(prepared.config.source);
    if (unverified) say(pc.yellow(unverified));
    const input = await pipelineInput(prepared, platform);
    return { id: prepared.run, input: { ...input, ...(fresh && { fresh }) } };
  });
}

/** Starts a pipeline, or joins it, and watches it to its end. */
export function startAndFollow(
  { detach, json, keep, priority }: FollowingOptions,
  start: (session: Session) => Promise<{ readonly id: string; readonly input: PipelineInput }>,
): Promise<number> {
  // A run that nobody waits for needs servers that stay.
  return withSession({ json, keep: keep || detach }, async (session) => {
    const { platform, say } = session;
    const { id: run, input } = await start(session);
    const { resumed } = await startRun(run, input, platform, priority);
    say(`${pc.bold(run)}${resumed ? ' (resumed)' : ''}`);
    say(pc.dim(`Temporal  ${runUrl(run, platform) ?? platform.temporalAddress}`));
    say(pc.dim(`S3        ${platform.storeAddress}`));
    if (!detach) return followRun(run, platform, session);
    say(`It goes on by itself; look at it with \`samflow status ${run}\`.`);
    if (platform.embedded) say('Its servers and workers stay: `samflow dev --stop` ends them.');
    if (json) process.stdout.write(`${JSON.stringify({ run, status: 'running' })}\n`);
    return EXIT.ok;
  });
}
