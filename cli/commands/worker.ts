import { fileURLToPath, pathToFileURL } from 'node:url';
import { EXIT } from '../exit-codes.ts';
import { onInterrupt } from '../interrupt.ts';

/** Workers are a program of their own: the CLI knows its path and this much of it. */
interface WorkerProgram {
  runWorker(pools: readonly string[], env: NodeJS.ProcessEnv, stop: AbortSignal): Promise<void>;
}
const PROGRAM = pathToFileURL(fileURLToPath(new URL('../../workers/main.ts', import.meta.url))).href;

/** `samflow worker --pool io,cpu,gpu`: serves queues until it is told to stop. */
export async function workerCommand({ pool }: { readonly pool: string }): Promise<number> {
  const { runWorker }: WorkerProgram = await import(PROGRAM);
  await runWorker(
    pool.split(',').map((word) => word.trim()),
    process.env,
    onInterrupt(),
  );
  return EXIT.ok;
}
