import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import pc from 'picocolors';
import { expectedOf, WorkerEnvironment } from '../../contracts/environment.ts';
import { planRun } from '../../lib/plan/plan.ts';
import { configFault } from '../config/explain.ts';
import { prepareRun } from '../config/prepare.ts';
import { readConfig } from '../config/read-config.ts';
import { cacheDirOf } from '../dev/folders.ts';
import { EXIT } from '../exit-codes.ts';
import { type PlanHead, planJson, renderPlan } from '../plan-text.ts';

export interface PlanCommandOptions {
  readonly set?: readonly string[];
  readonly json?: boolean;
}

/** `samflow plan CONFIG`: what `run` would do and what it would cost; nothing is started, nothing is fetched. */
export async function planCommand(file: string, { set, json = false }: PlanCommandOptions): Promise<number> {
  const { spec, settings, run } = await prepareRun(await readConfig(file, set));
  const { device, training, model } = settings;
  const { threads } = environmentOfWorkers(process.env);
  const plan = await planRun(
    { ...spec, ...settings },
    {
      threads,
      modelsDir: fileURLToPath(new URL('../../models', import.meta.url)),
      // That of the workers that `run` starts: a phantom is generated once.
      cacheDir: cacheDirOf(process.env),
      report: (line) => void process.stderr.write(`${pc.dim(line)}\n`),
    },
  );
  const head: PlanHead = {
    ...{ run, checkpoint: model.checkpoint, device, threads },
    processor: cpus()[0]?.model ?? 'unknown processor',
    ...{ epochs: training.epochs, patience: training.patience, folds: settings.split.folds },
    proposes: settings.prompts.automatic === 'proposer',
  };
  console.log(json ? JSON.stringify(planJson(head, plan)) : renderPlan(head, plan, process.stdout.columns));
  return EXIT.ok;
}

/** The number of threads is the workers': with another one the times would be others. */
function environmentOfWorkers(env: NodeJS.ProcessEnv): WorkerEnvironment {
  const parsed = WorkerEnvironment.safeParse(env);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw configFault(
    String(issue.path[0]),
    'a value that cannot be used',
    expectedOf(issue),
    'Set it as the workers have it',
  );
}
