import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepareRun } from '../cli/config/prepare.ts';
import { readConfig } from '../cli/config/read-config.ts';
import { openPlatform, type Platform } from '../cli/dev/platform.ts';
import { pipelineInput } from '../cli/start-run.ts';
import { HEARTBEAT, WORKFLOWS } from '../contracts/messages.ts';
import { QUEUES } from '../contracts/queues.ts';
import { devCredentials } from '../infra/dev/credentials.ts';
import { readWorkerConfig } from '../workers/config.ts';
import type { pipelineWorkflow } from '../workflows/pipeline.ts';
import { openPlainly } from './plain-pipeline.ts';
import { MemoryWatch } from './process-memory.ts';
import { type BenchRow, load, median } from './row.ts';

const PHANTOM = fileURLToPath(new URL('../examples/phantom.yaml', import.meta.url));
const COMMAND = fileURLToPath(new URL('../cli/samflow.mjs', import.meta.url));
/** Servers that were installed for this checkout are used; nothing else of its state is. */
const TOOLS = fileURLToPath(new URL('../.samflow/bin', import.meta.url));
const REPEATS = 3;

export type Part = 'demo' | 'overhead';
export const PARTS: readonly Part[] = ['demo', 'overhead'];

/** The demo's time and memory, and what Temporal adds to the stages' own work. */
export async function pipelineRows(parts: readonly Part[], say: (line: string) => void): Promise<BenchRow[]> {
  const stateDir = await mkdtemp(join(tmpdir(), 'samflow-bench-'));
  const env = { ...process.env, SAMFLOW_HOME: stateDir, PATH: `${TOOLS}${delimiter}${process.env.PATH}` };
  try {
    const demo = parts.includes('demo') ? await demoRows(stateDir, env, say) : [];
    const overhead = parts.includes('overhead') ? await overheadRows(stateDir, env, say) : [];
    return [...demo, ...overhead];
  } finally {
    await rm(stateDir, { recursive: true, force: true });
  }
}

async function demoRows(stateDir: string, env: NodeJS.ProcessEnv, say: (line: string) => void): Promise<BenchRow[]> {
  const memory = new MemoryWatch(stateDir);
  say('demo, nothing in the store');
  const cold = await timeDemo(env);
  say('demo, nothing changed');
  const warm = await timeDemo(env);
  memory.stop();
  const gigabytes = (bytes: number) => bytes / 2 ** 30;
  const peaks = [...memory.peakBytes].map(([pool, bytes]) => `${pool} ${gigabytes(bytes).toFixed(2)}`).join(', ');
  return [
    {
      what: 'demo, tools installed, nothing in the store',
      value: cold / 60,
      target: 4,
      sense: 'at most',
      unit: 'min',
      note: load(),
    },
    { what: 'demo, nothing changed', value: warm, target: 20, sense: 'at most', unit: 's', note: load() },
    {
      what: 'peak memory of a worker on the demo',
      value: memory.peakBytes.size > 0 ? gigabytes(Math.max(...memory.peakBytes.values())) : null,
      target: 1.5,
      sense: 'at most',
      unit: 'GiB',
      note: peaks,
    },
  ];
}

/** Seconds of a whole `samflow demo`, servers and workers included. */
function timeDemo(env: NodeJS.ProcessEnv): Promise<number> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [COMMAND, 'demo', '--json'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (chunk) => {
      errors = `${errors}${chunk}`.slice(-2000);
    });
    child.on('exit', (code) => {
      if (code === 0) resolve((performance.now() - started) / 1000);
      else reject(new Error(`the demo ended with code ${code}: ${errors}`));
    });
  });
}

/** Workflow and plain script in turn, on data that neither has seen; a first pair warms both sides up and is not counted. */
async function overheadRows(
  stateDir: string,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<BenchRow[]> {
  const platform = await openPlatform({ stateDir, env, report: say, workers: true });
  const plainSide = await openPlainly(await plainConfig(stateDir, platform), platform.client);
  const ratios: number[] = [];
  const gaps: number[] = [];
  const seconds: string[] = [];
  try {
    for (let repeat = 0; repeat <= REPEATS; repeat++) {
      const config = await readConfig(PHANTOM, [
        `source.seed=${1000 + repeat}`,
        ...(repeat === 0 ? ['training.epochs=1'] : []),
      ]);
      const prepared = await prepareRun(config);
      const durable = await timeWorkflow(prepared, platform);
      const plain = await plainSide.run(prepared);
      say(`durable ${durable.toFixed(1)} s, plain ${plain.seconds.toFixed(1)} s`);
      if (repeat === 0) continue;
      ratios.push(durable / plain.seconds);
      seconds.push(`${durable.toFixed(1)}/${plain.seconds.toFixed(1)} s`);
      if (plain.longestHeartbeatGapMs !== null) gaps.push(plain.longestHeartbeatGapMs);
    }
  } finally {
    await plainSide.close();
    await platform.close();
  }
  return [
    {
      what: 'run under Temporal / the same stages as a plain script',
      value: median(ratios),
      target: 1.02,
      sense: 'at most',
      unit: 'x',
      note: `${seconds.join(', ')}; least ${Math.min(...ratios).toFixed(3)}; ${load()}`,
    },
    {
      what: 'longest time between two heartbeats / their interval',
      value: gaps.length > 0 ? Math.max(...gaps) / HEARTBEAT.everyMs : null,
      target: 2,
      sense: 'at most',
      unit: 'x',
      note: `over ${REPEATS} runs`,
    },
  ];
}

async function timeWorkflow(prepared: Awaited<ReturnType<typeof prepareRun>>, platform: Platform): Promise<number> {
  const input = await pipelineInput(prepared, platform);
  const started = performance.now();
  await platform.client.workflow.execute<typeof pipelineWorkflow>(WORKFLOWS.pipeline, {
    workflowId: `bench-${prepared.run}`,
    taskQueue: QUEUES.workflow,
    args: [input],
  });
  return (performance.now() - started) / 1000;
}

/** The plain side writes to the same S3 server, in a bucket of its own, and finds no phantom that the other side has made. */
async function plainConfig(stateDir: string, platform: Platform) {
  const { patientKey, ...credentials } = await devCredentials(stateDir);
  return readWorkerConfig(['io', 'cpu', 'gpu'], {
    SAMFLOW_S3_ENDPOINT: platform.storeAddress.split(',')[0],
    SAMFLOW_S3_BUCKET: 'samflow-plain',
    SAMFLOW_S3_ACCESS_KEY_ID: credentials.accessKeyId,
    SAMFLOW_S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    SAMFLOW_PATIENT_KEY: patientKey,
    SAMFLOW_CACHE: join(stateDir, 'cache-plain'),
  });
}
