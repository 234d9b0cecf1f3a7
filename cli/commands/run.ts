import pc from 'picocolors';
import type { RunPriority } from '../../contracts/priority.ts';
import { prepareRun } from '../config/prepare.ts';
import { readConfig } from '../config/read-config.ts';
import { EXIT } from '../exit-codes.ts';
import { followRun } from '../follow-run.ts';
import { runUrl } from '../run-outcome.ts';
import { withSession } from '../session.ts';
import { startRun } from '../start-run.ts';

export interface RunOptions {
  readonly set?: readonly string[];
  readonly priority?: RunPriority;
  readonly detach?: boolean;
  readonly json?: boolean;
  readonly keep?: boolean;
}

/** `samflow run CONFIG`: everything that can be wrong with the configuration is said before anything is started. */
export async function runCommand(file: string, { set, priority, detach, json, keep }: RunOptions): Promise<number> {
  const prepared = await prepareRun(await readConfig(file, set));
  // A run that nobody waits for needs servers that stay.
  return withSession({ json, keep: keep || detach }, async (session) => {
    const { platform, say } = session;
    const { run, resumed } = await startRun(prepared, platform, priority);
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
