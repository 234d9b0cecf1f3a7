import { once } from 'node:events';
import pc from 'picocolors';
import { stopDevServers } from '../../infra/dev/servers.ts';
import { stateDirOf } from '../dev/folders.ts';
import { openPlatform } from '../dev/platform.ts';
import { stopDevWorkers } from '../dev/workers.ts';
import { EXIT } from '../exit-codes.ts';
import { onInterrupt } from '../interrupt.ts';

/** `samflow dev`: servers and workers until Ctrl-C, or those that `--keep` has left ended by `--stop`. */
export async function devCommand({ stop = false }: { readonly stop?: boolean }): Promise<number> {
  const stateDir = stateDirOf(process.env);
  if (stop) {
    const ended = [await stopDevWorkers(stateDir), await stopDevServers(stateDir)].includes(true);
    console.log(ended ? 'Stopped.' : 'Nothing was running.');
    return EXIT.ok;
  }
  const signal = onInterrupt();
  const report = (line: string): void => void process.stderr.write(`${pc.dim(line)}\n`);
  const platform = await openPlatform({ stateDir, env: process.env, report, workers: true, signal });
  try {
    console.log(`Temporal  ${platform.temporalAddress}`);
    if (platform.uiUrl) console.log(`Web UI    ${platform.uiUrl}`);
    console.log(`S3        ${platform.storeAddress}`);
    console.log(`Logs      ${stateDir}/logs`);
    console.log(pc.dim('Ctrl-C ends them; `samflow run` in another terminal uses them.'));
    if (!signal.aborted) {
      const fault = await Promise.race([platform.failed, once(signal, 'abort').then(() => null)]);
      // `samflow dev --stop` in another terminal is as good as Ctrl-C in this one.
      if (fault && fault.code !== 'SERVER_STOPPED') throw fault;
    }
  } finally {
    await platform.close();
  }
  return EXIT.ok;
}
