import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renderAccounts, renderEnd, renderInnerRuns } from '../../../cli/explain-text.ts';
import { explainRun, type StageAccount } from '../../../lib/artifacts/explain.ts';
import { innerRun } from '../../../lib/artifacts/inner-runs.ts';
import { MemoryStore } from '../../../lib/artifacts/memory-store.ts';
import { SCANS, type TinyRun, tinyRun } from '../../helpers/tiny-pipeline.ts';

/** Runs, one after the other, and the account of the last one. */
async function lastOf(...runs: TinyRun[]): Promise<{ stages: StageAccount[]; text: string; store: MemoryStore }> {
  const store = new MemoryStore();
  for (const [at, how] of runs.slice(0, -1).entries()) await tinyRun(`run-${at}`, how, store);
  const last = await tinyRun('last', runs.at(-1)!, store);
  const stages = await explainRun(last, store);
  return { stages, text: renderAccounts(stages, 'last', Date.now()), store };
}
const numbers = (stages: readonly StageAccount[]) =>
  Object.fromEntries(stages.map(({ stage, ran, reused }) => [stage, [ran, reused]]));

describe('the account of a run', () => {
  it('says of a first run that nothing was made before', async () => {
    const { stages, text } = await lastOf({ scans: SCANS });
    assert.ok(stages.every(({ reasons }) => reasons.every(({ reason }) => reason.why === 'new')));
    assert.match(text, /^encode +ran 3 of 3: nothing like it was made before$/m);
  });

  it('says who made what is reused, where nothing has changed', async () => {
    const { stages, text } = await lastOf({ scans: SCANS }, { scans: SCANS });
    assert.ok(stages.every(({ stage, ran }) => ran === 0 || stage === 'report'));
    assert.match(text, /^fine-tune +reused, made by run-0, just now$/m);
    assert.match(text, /^report +ran: it names the run \(against run-0, just now\)$/m);
  });

  it('names the parameter with both values where a setting has changed, and the input that came of it', async () => {
    const { stages, text } = await lastOf({ scans: SCANS }, { scans: SCANS, learningRate: 1e-3 });
    const { encode, 'fine-tune': tuned, evaluate } = numbers(stages);
    assert.deepEqual(
      [encode, tuned, evaluate],
      [
        [0, 3],
        [1, 0],
        [1, 0],
      ],
    );
    assert.match(text, /^fine-tune +ran: training\.learningRate 0\.0001 → 0\.001 \(against run-0, just now\)$/m);
    assert.match(text, /^evaluate +ran: other weights of fine-tune \(against run-0, just now\)$/m);
  });

  it('takes the nearest earlier result to compare with, not the newest', async () => {
    const near = { scans: SCANS, learningRate: 1e-3 };
    const far = { scans: { 'p-000000000009': 'another' }, learningRate: 1e-2 };
    const { text } = await lastOf(near, far, { scans: SCANS, learningRate: 2e-3 });
    assert.match(text, /^fine-tune +ran: training\.learningRate 0\.001 → 0\.002 \(against run-0/m);
  });

  it('tells a new patient, whose data alone are encoded', async () => {
    const { stages, text } = await lastOf({ scans: SCANS }, { scans: { ...SCANS, 'p-000000000004': 'new' } });
    const { convert, slice, encode } = numbers(stages);
    assert.deepEqual(
      [convert, slice, encode],
      [
        [1, 3],
        [1, 3],
        [1, 3],
      ],
    );
    assert.match(text, /^encode +ran 1 of 4: nothing like it was made before\n +reused 3 of 4, made by run-0/m);
    assert.match(text, /^fine-tune +ran: other embeddings of encode/m);
  });

  it('takes no patient for what was made of another one', async () => {
    const { text } = await lastOf({ scans: { 'p-000000000009': 'another' } }, { scans: SCANS });
    assert.match(text, /^convert +ran 3 of 3: nothing like it was made before$/m);
    assert.match(text, /^encode +ran 3 of 3: nothing like it was made before$/m);
  });

  it('says so where it was told to work again, and where a result was lost', async () => {
    const { stages } = await lastOf({ scans: SCANS }, { scans: SCANS, token: 'again' });
    const forced = stages.filter(({ stage }) => stage !== 'report');
    assert.ok(forced.every(({ reasons }) => reasons.every(({ reason }) => reason.why === 'forced')));

    const { store } = await lastOf({ scans: SCANS });
    for await (const { key } of store.list('memo/encode/')) {
      const { value } = JSON.parse(Buffer.from((await store.get(key))!.bytes).toString());
      await store.put(value.embeddings.key, Buffer.from('cut'));
    }
    const lost = await explainRun(await tinyRun('after', { scans: SCANS }, store), store);
    const encode = lost.find(({ stage }) => stage === 'encode');
    assert.deepEqual(encode?.reasons, [{ results: 3, reason: { why: 'lost' } }]);
  });

  it('tells another version of a stage', async () => {
    const { text } = await lastOf({ scans: SCANS }, { scans: SCANS, version: 2 });
    assert.match(text, /^slice +ran 3 of 3: samflow's stage version 1 → 2/m);
  });

  it('says of a run that failed what it had done, where it failed and with which code', async () => {
    const store = new MemoryStore();
    await tinyRun('before', { scans: SCANS }, store);
    const lineage = await tinyRun('last', { scans: SCANS, window: 'bone', fails: true }, store);
    const text = renderAccounts(await explainRun(lineage, store), 'last', Date.now());
    assert.match(text, /^slice +ran 3 of 3: window "lung" → "bone" \(against before/m);
    assert.doesNotMatch(text, /fine-tune/);
    assert.match(renderEnd({ failed: lineage.failed!, omitted: 0 }), /^Failed in fine-tune \[TRAINING_DIVERGED\]; /);
    assert.equal(renderEnd({ failed: { stage: null, code: 'RUN_TOO_LARGE' }, omitted: 7 }).split('\n').length, 2);
    assert.equal(renderEnd({ failed: null, omitted: 0 }), '');
  });

  it('says of each run inside what it made and reused, which one failed, and which keep no account', async () => {
    const store = new MemoryStore();
    const first = await tinyRun('cv/fold-1', { scans: SCANS }, store);
    const second = await tinyRun('cv/fold-2', { scans: SCANS, learningRate: 1e-3, fails: true }, store);
    const runs = [innerRun('cv/fold-1', first), innerRun('cv/fold-2', second), innerRun('cv/fold-3', null)];
    assert.deepEqual(renderInnerRuns(runs).split('\n'), [
      'fold-1  ran download, import-model, convert, slice, encode, fine-tune, evaluate, report',
      'fold-2  failed in fine-tune [TRAINING_DIVERGED]; reused download, import-model, convert, slice, encode',
      'fold-3  no account: cancelled, at work, or not begun',
      'More of each: samflow explain cv/fold-1',
    ]);
  });
});
