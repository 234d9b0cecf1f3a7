import pc from 'picocolors';
import { prepareRun } from '../config/prepare.ts';
import { readConfig } from '../config/read-config.ts';
import { EXIT } from '../exit-codes.ts';
import { followRun } from '../follow-run.ts';
import { runUrl } from '../run-outcome.ts';
import { withSession } from '../session.ts';
import { startRun } from '../start-run.ts';
import { unverifiedSource } from '../unverified-source.ts';

export interface RunOptions {
  readonly set?: readonly string[];
  readonly detach?: boolean;
  readonly json?: boolean;
  readonly keep?: boolean;
}

/** `samflow run CONFIG`: everything that can be wrong with the configuration is said before anything is started. */
export async function runCommand(file: string, { set, detach, json, keep }: RunOptions): Promise<number> {
  const prepared = await prepareRun(await readConfig(file, set));
  // A run that nobody waits for needs servers that stay.
  return withSession({ json, keep: keep || detach }, async (session) => {
    const { platform, say } = session;
    const { run, resumed } = await startRun(prepared, platform);
    say(`${pc.bold(run)}${resumed ? ' (resumed)' : ''}`);
    say(pc.dim(`Temporal  ${runUrl(run, platform) ?? platform.temporalAddress}`));
    say(pc.dim(`S3        ${platform.storeAddress}`));
    const unverified = unverifiedSource(prepared.config.source);
    if (unverified) say(pc.yellow(unverified));
    if (!detach) return followRun(run, platform, session);
    say(`It goes on by itself; look at it with \`samflow status ${run}\`.`);
    if (platform.embedded) say('Its servers and workers stay: `samflow dev --stop` ends them.');
    if (json) process.stdout.write(`${JSON.stringify({ run, status: 'running' })}\n`);
    return EXIT.ok;
  });
}
