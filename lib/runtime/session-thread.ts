import { parentPort } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import { type Device, PROBE_MODEL, providerOf, providersUsed } from './device.ts';
import type { Fold, FoldOptions, Reply, Request, SessionOptions } from './session.ts';
import type { Tensor } from './tensor.ts';

// A provider that cannot be had is told as an error by what asked for it, not printed by the runtime too.
ort.env.logLevel = 'fatal';

/** The thread's one session, the tensors that stay in it from run to run, and what changes them after each. */
let session: ort.InferenceSession;
const kept = new Map<string, Tensor>();
let fold: (Pick<FoldOptions, 'outputs'> & { readonly run: Fold }) | undefined;

const toOrt = ({ dtype, shape, data }: Tensor): ort.Tensor => new ort.Tensor(dtype, data as never, shape);
const fromOrt = (tensor: ort.Tensor): Tensor =>
  ({ dtype: tensor.type, shape: [...tensor.dims], data: tensor.data }) as unknown as Tensor;

/** Whether operators really run on the device: asked of the profile of a small model. */
async function check(device: Device): Promise<void> {
  const { option, name } = providerOf(device);
  const used = await providersUsed(async (profileFilePrefix) => {
    const options = { executionProviders: [option], enableProfiling: true, profileFilePrefix, logSeverityLevel: 4 };
    const probe = await ort.InferenceSession.create(PROBE_MODEL, options as ort.InferenceSession.SessionOptions);
    await probe.run({ x: new ort.Tensor('float32', Float32Array.of(1, 2, 3, 4), [2, 2]) });
    probe.endProfiling();
    await probe.release();
  });
  if (!used.has(name)) throw new Error(`operators ran on ${[...used].join(' and ')}`);
}

/** An operator that the device has no kernel for fails the opening, instead of going to the processor without a word. */
const NO_FALLBACK = { disable_cpu_ep_fallback: '1' };

async function open(model: Uint8Array | string, options: SessionOptions): Promise<void> {
  const device = options.device ?? 'cpu';
  session = await ort.InferenceSession.create(model as string, {
    executionProviders: [providerOf(device).option as ort.InferenceSession.ExecutionProviderConfig],
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
    // A pattern of the first run's memory is one block more, as large as all of the others together.
    enableMemPattern: false,
    // A waiting thread that spins takes the core that server, heartbeats and the other threads need.
    // `set_denormal_as_zero` would be faster, but reaches only some of the threads, so that bits depend on who computes what.
    extra: { session: { intra_op: { allow_spinning: '0' }, ...(device !== 'cpu' && NO_FALLBACK) } },
  });
  if (options.fold) {
    const { module, outputs } = options.fold;
    fold = { outputs, run: ((await import(module)) as { fold: Fold }).fold };
  }
}

async function run(
  feeds: Record<string, Tensor>,
  numbers: Readonly<Record<string, number>>,
): Promise<Record<string, Tensor>> {
  const inputs: Record<string, ort.Tensor> = {};
  // The runtime reads an input where it lies, without a copy.
  for (const name of session.inputNames) {
    const tensor = feeds[name] ?? kept.get(name);
    if (tensor) inputs[name] = toOrt(tensor);
  }
  const outputs = await session.run(inputs);
  const results: Record<string, Tensor> = {};
  const folded: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(outputs)) {
    (fold?.outputs.includes(name) ? folded : results)[name] = fromOrt(tensor as ort.Tensor);
  }
  return { ...results, ...fold?.run(kept, folded, numbers) };
}

async function answer(request: Request): Promise<Record<string, Tensor>> {
  switch (request.kind) {
    case 'open':
      await open(request.model, request.options);
      return {};
    case 'check':
      await check(request.device);
      return {};
    case 'run':
      return run(request.feeds, request.numbers);
    case 'write':
      for (const [name, tensor] of Object.entries(request.tensors)) kept.set(name, tensor);
      return {};
    case 'read':
      return Object.fromEntries(request.names.map((name) => [name, kept.get(name)!]));
    case 'close':
      await session.release();
      return {};
  }
}

let last: Promise<void> = Promise.resolve();
parentPort!.on('message', (request: Request & { id: number }) => {
  // Requests may arrive while one is being answered; the session takes them one after another.
  last = last.then(async () => {
    let reply: Reply;
    try {
      reply = { id: request.id, tensors: await answer(request) };
    } catch (error) {
      reply = { id: request.id, error: error instanceof Error ? error.message : String(error) };
    }
    parentPort!.postMessage(reply);
  });
});
