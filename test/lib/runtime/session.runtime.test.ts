import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as ort from 'onnxruntime-node';
import { isFault } from '../../../lib/fault.ts';
import { add, constant, input, matmul, mul } from '../../../lib/graph/index.ts';
import { emitModel, emitOnnx } from '../../../lib/onnx/emit.ts';
import { PROBE_MODEL, providerOf, providersUsed } from '../../../lib/runtime/device.ts';
import { prepareSessions, Session } from '../../../lib/runtime/session.ts';
import { float32 } from '../../../lib/runtime/tensor.ts';

const sums = () =>
  emitOnnx({
    next: add(input('count', 'float32', [2]), input('by', 'float32', [2])),
    seen: mul(input('extra', 'float32', [1]), 1),
  });
const two = (a: number, b: number) => float32(Float32Array.of(a, b), [2]);

test('what is kept is fed to every run, and changed by the fold, whose outputs never cross the thread', async () => {
  const model = emitOnnx({
    by: mul(input('step', 'float32', [2]), 1),
    seen: mul(input('count', 'float32', [2]), 1),
  });
  const module = new URL('../../helpers/adding-fold.ts', import.meta.url).href;
  const session = await Session.open(model, { threads: 1, fold: { module, outputs: ['by'] } });
  await session.write({ count: two(0, 10) });
  for (let i = 1; i <= 3; i++) {
    const outputs = await session.run({ step: two(1, 2) }, { times: 2 });
    assert.deepEqual(Object.keys(outputs).sort(), ['calls', 'seen']);
    assert.equal(outputs.calls!.data[0], i);
    assert.deepEqual([...(outputs.seen!.data as Float32Array)], [2 * (i - 1), 10 + 4 * (i - 1)]);
  }
  const read = await session.read(['count']);
  assert.deepEqual([...(read.count!.data as Float32Array)], [6, 22]);
  // A copy: changing it changes nothing in the session.
  (read.count!.data as Float32Array).fill(0);
  assert.deepEqual([...((await session.read(['count'])).count!.data as Float32Array)], [6, 22]);
  await session.close();
});

test('the event loop goes on while a session computes', async () => {
  const side = 900;
  const matrix = constant(new Float32Array(side * side).fill(0.001), [side, side]);
  let product = input('x', 'float32', [side, side]);
  for (let i = 0; i < 12; i++) product = matmul(product, matrix);
  const session = await Session.open(emitOnnx({ product }), { threads: 1 });
  const x = float32(new Float32Array(side * side).fill(1), [side, side]);
  let worst = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    worst = Math.max(worst, performance.now() - last);
    last = performance.now();
  }, 5);
  const started = performance.now();
  await session.run({ x });
  const took = performance.now() - started;
  // A loop that stood still to the end had no chance to say so.
  worst = Math.max(worst, performance.now() - last);
  clearInterval(timer);
  await session.close();
  assert.ok(worst < Math.max(50, took / 2), `the loop stood still for ${worst.toFixed(0)} of ${took.toFixed(0)} ms`);
});

test('a run that fails rejects, and the session goes on', async () => {
  const session = await Session.open(sums(), { threads: 1 });
  await assert.rejects(session.run({ count: two(1, 1) }), /by|extra/);
  const good = await session.run({ count: two(1, 1), by: two(1, 1), extra: float32(Float32Array.of(0), [1]) });
  assert.deepEqual([...(good.next!.data as Float32Array)], [2, 2]);
  await session.close();
});

test('bytes that are no model are refused at opening', async () => {
  await assert.rejects(Session.open(new TextEncoder().encode('not a model'), { threads: 1 }));
});

test('a provider that is not there is refused, not replaced', async () => {
  await assert.rejects(Session.open(sums(), { threads: 1, device: 'cuda:7' }), (error) => {
    assert.ok(isFault(error));
    assert.equal(error.code, 'RUNTIME_PROVIDER');
    assert.match(error.message, /cuda:7.*Install CUDA 12, cuDNN 9/);
    return true;
  });
});

test('the model that a device is checked with is a product, as the emitter writes it', () => {
  const x = input('x', 'float32', [2, 2]);
  assert.deepEqual(new Uint8Array(PROBE_MODEL), emitOnnx({ y: matmul(x, x) }));
});

test('a profile tells which provider computed', async () => {
  const used = await providersUsed(async (profileFilePrefix) => {
    const session = await ort.InferenceSession.create(PROBE_MODEL, { enableProfiling: true, profileFilePrefix });
    await session.run({ x: new ort.Tensor('float32', Float32Array.of(1, 2, 3, 4), [2, 2]) });
    session.endProfiling();
    await session.release();
  });
  assert.deepEqual([...used], [providerOf('cpu').name]);
});

test('constants that lie beside the model are read from there, and the file is gone afterwards', async () => {
  const weight = constant(
    Float32Array.from({ length: 200 * 200 }, (_, i) => (i % 201 === 0 ? 2 : 0)),
    [200, 200],
  );
  const model = emitModel({ y: matmul(input('x', 'float32', [1, 200]), weight) });
  assert.equal(
    model.weights.reduce((total, part) => total + part.length, 0),
    200 * 200 * 4,
  );
  assert.ok(model.model.length < 1000);
  const session = await Session.open(model, { threads: 1 });
  assert.deepEqual(
    (await readdir(tmpdir())).filter((name) => name.startsWith('samflow-work-') && name.includes(`-${process.pid}-`)),
    [],
  );
  const { y } = await session.run({ x: float32(new Float32Array(200).fill(3), [1, 200]) });
  await session.close();
  assert.ok((y!.data as Float32Array).every((value) => value === 6));
});

test('sessions open in threads that were prepared for them, and go on to start their own', async () => {
  let started = 0;
  const count = () => {
    started += 1;
  };
  process.on('worker', count);
  const model = emitModel({ y: mul(input('x', 'float32', [1]), 2) });
  prepareSessions(2);
  prepareSessions(2);
  const opened: Session[] = [];
  for (const threads of [2, 2, 3]) {
    const session = await Session.open(model, { threads: 1 });
    opened.push(session);
    const { y } = await session.run({ x: float32(Float32Array.of(3), [1]) });
    assert.deepEqual([...(y!.data as Float32Array)], [6]);
    assert.equal(started, threads);
  }
  process.off('worker', count);
  for (const session of opened) await session.close();
});

test('an opening is given up as soon as its signal aborts, wherever it is, and the next one follows it', async () => {
  const began = performance.now();
  await (await Session.open(sums(), { threads: 1, signal: new AbortController().signal })).close();
  const wholeMs = performance.now() - began;
  // Ended in the middle of native code, the thread would take this process with it.
  for (const share of [0, 0.3, 0.6, 0.8, 0.95]) {
    const controller = new AbortController();
    const opening = Session.open(sums(), { threads: 1, signal: controller.signal });
    opening.catch(() => undefined);
    await sleep(share * wholeMs);
    controller.abort(new Error('enough'));
    const abortedAt = performance.now();
    const session = await opening.catch((error: Error) => error);
    if (session instanceof Session) await session.close();
    else assert.equal(session.message, 'enough');
    assert.ok(performance.now() - abortedAt < wholeMs / 2, `after ${share} of ${wholeMs} ms`);
  }
  const session = await Session.open(sums(), { threads: 1 });
  await session.close();
  await assert.rejects(Session.open(sums(), { threads: 1, signal: AbortSignal.abort(new Error('before')) }), /before/);
});
