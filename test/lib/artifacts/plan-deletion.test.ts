import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { ArtifactRef } from '../../../contracts/artifact.ts';
import { ArtifactStore } from '../../../lib/artifacts/artifact-store.ts';
import { collect } from '../../../lib/artifacts/collect.ts';
import { explainRun } from '../../../lib/artifacts/explain.ts';
import { artifactRefsIn } from '../../../lib/artifacts/manifest.ts';
import { MemoryStore } from '../../../lib/artifacts/memory-store.ts';
import {
  type DeletionPlan,
  type DeletionWish,
  NOTHING_TAKEN,
  planDeletion,
} from '../../../lib/artifacts/plan-deletion.ts';
import { readContent } from '../../../lib/artifacts/store-content.ts';
import { dyingAfter } from '../../helpers/dying-store.ts';
import { copyOf, findText, keysOf } from '../../helpers/store-text.ts';
import { type StoredPatient, type StoredRunOptions, storedRun } from '../../helpers/stored-run.ts';

const PATIENTS: readonly StoredPatient[] = [
  { id: 'ann', part: 'train' },
  { id: 'bob', part: 'val' },
  { id: 'eve', part: 'test' },
];
const OTHERS: readonly StoredPatient[] = PATIENTS.map(({ id, part }) => ({ id: `${id}-of-another`, part }));

describe('the deletion of a run', () => {
  let store: MemoryStore;
  beforeEach(() => {
    store = new MemoryStore();
  });
  const run = (id: string, how: Partial<StoredRunOptions> = {}) => storedRun(id, { patients: PATIENTS, ...how }, store);
  const plan = async (
    runs: readonly string[],
    how: Partial<DeletionWish> & { roots?: unknown[]; from?: MemoryStore } = {},
  ): Promise<DeletionPlan> => {
    const { roots = [], from = store, ...wish } = how;
    const content = await readContent(from);
    return planDeletion(from, content, { runs, histories: [], taken: NOTHING_TAKEN, pending: [], ...wish }, roots);
  };
  const remove = async (runs: readonly string[], how: Parameters<typeof plan>[1] = {}): Promise<DeletionPlan> => {
    const planned = await plan(runs, how);
    await collect(store, planned, async () => how.roots ?? []);
    return planned;
  };
  const has = async (ref: ArtifactRef): Promise<boolean> => new ArtifactStore(store).has(ref);

  it('leaves nothing of one that shares nothing, and all of another', async () => {
    await run('kept', { patients: OTHERS });
    const before = await keysOf(store);
    await run('gone');
    await remove(['gone']);
    assert.deepEqual(await keysOf(store), before);
  });

  it('leaves what other runs use, and they find all their results again', async () => {
    const gone = await run('gone', { learningRate: 1e-3 });
    const kept = await run('kept');
    const { runs, shared } = await remove(['gone']);
    assert.deepEqual(runs, ['gone']);
    assert.ok(shared.objects > 10);
    for (const ref of [gone.weights, gone.package, gone.report, gone.evaluation, ...gone.checkpoints]) {
      assert.equal(await has(ref), false, ref.kind);
    }
    assert.ok((await explainRun(kept.lineage, store)).every(({ ran, reused }) => ran + reused > 0));
    assert.equal((await keysOf(store, 'memo/encode/')).length, PATIENTS.length * 2);
    const again = await run('kept');
    assert.ok(
      again.lineage.uses.every(({ reused }) => reused),
      'something was made again',
    );
    assert.deepEqual(await findText(store, /\bgone with pictures/), []);
  });

  it('takes the shards that its record does not name', async () => {
    await run('gone');
    const { doomed } = await plan(['gone']);
    assert.equal(doomed.filter(({ kind }) => kind === 'embeddings').length, PATIENTS.length * 2);
    assert.deepEqual((await keysOf(store)).sort(), doomed.map(({ key }) => key).sort());
  });

  it('takes the shards that a deleted run had made for it', async () => {
    await run('first', { learningRate: 1e-3 });
    await run('second');
    await remove(['first']);
    await remove(['second']);
    assert.deepEqual(await keysOf(store), []);
  });

  it('takes its folds, and nothing of a run whose name begins like its own', async () => {
    await run('cv/fold-1', { patients: OTHERS });
    await run('cv-2');
    const { runs } = await plan(['cv']);
    assert.deepEqual(runs, ['cv/fold-1']);
  });

  it('leaves what models, schedules and open workflows name', async () => {
    const gone = await run('gone');
    await store.put('models/lungs/champion.json', Buffer.from(JSON.stringify({ run: 'other', package: gone.package })));
    await remove(['gone'], { roots: [{ input: gone.lineage.input }, { result: gone.evaluation }] });
    for (const ref of [gone.package, gone.weights, gone.lineage.input.spec, gone.evaluation]) {
      assert.ok(await has(ref), ref.kind);
    }
    assert.equal(await has(gone.report), false);
    assert.deepEqual(await findText(store, /(volume|slices|scan) of/), []);
  });

  it('leaves what a run refers to that has ended since it was planned', async () => {
    const gone = await run('gone');
    const planned = await plan(['gone']);
    await store.put('runs/new/result.json', Buffer.from(JSON.stringify({ weights: gone.weights })));
    await collect(store, planned, async () => []);
    assert.ok(await has(gone.weights));
    assert.equal(await has(gone.package), false);
  });

  it('takes the pointer of a model that it has made', async () => {
    const { package: model } = await run('gone');
    await store.put(
      'models/lungs/champion.json',
      Buffer.from(JSON.stringify({ run: 'gone', package: model, seen: {} })),
    );
    const { models } = await remove(['gone']);
    assert.deepEqual(models, ['models/lungs/champion.json']);
    assert.deepEqual(await keysOf(store), []);
  });

  it('leaves the training that another run has branched from, with its checkpoints', async () => {
    const gone = await run('gone');
    const kept = await run('kept', { patients: OTHERS });
    const of = gone.lineage.uses.find(({ key }) => key.includes('/fine-tune/'))!.key;
    const lineage = { ...kept.lineage, input: { ...kept.lineage.input, branch: { of, epoch: 1 } } };
    await store.put('runs/kept/lineage.json', Buffer.from(JSON.stringify(lineage)));
    await remove(['gone']);
    assert.ok(await store.head(of));
    for (const ref of [gone.weights, ...gone.checkpoints]) assert.ok(await has(ref), ref.kind);
  });

  it('finds what a run has left that failed: by its results, and by what Temporal holds of it', async () => {
    const failed = await run('failed');
    for (const key of await keysOf(store, 'runs/failed/')) store.delete(key);
    const fineTune = failed.lineage.uses.find(({ key }) => key.includes('/fine-tune/'))!.key;
    store.delete(fineTune);
    const manifest = (stage: string) => failed.lineage.uses.find(({ key }) => key.includes(`/${stage}/`))!.key;
    for (const stage of ['evaluate', 'package', 'infer', 'report']) store.delete(manifest(stage));
    await remove(['failed'], { histories: [failed.lineage.input, { checkpoint: failed.checkpoints[0] }] });
    const left = await findText(store, /./);
    // The second checkpoint and what is named by none but results that are gone: the store has no other trace of these.
    assert.deepEqual(await keysOf(store, 'memo/'), []);
    assert.deepEqual(await keysOf(store, 'runs/'), []);
    assert.deepEqual(
      left.filter((found) => /scan of|volume of|embeddings|checkpoint/.test(found)),
      [],
    );
  });

  it('ends the same wherever it was killed', async () => {
    await run('kept');
    await run('gone', { patients: [...PATIENTS.slice(0, 2), { id: 'joe', part: 'test' }] });
    const planned = await plan(['gone']);
    const whole = await copyOf(store);
    await collect(whole, planned, async () => []);
    const expected = await keysOf(whole);
    const pending = planned.doomed.flatMap(({ key }) => (key.startsWith('cas/') ? [key] : []));
    for (let killedAt = 0; killedAt < planned.doomed.length; killedAt += 3) {
      const copy = await copyOf(store);
      const revive = dyingAfter(copy, killedAt);
      await assert.rejects(
        collect(copy, planned, async () => []),
        /killed/,
      );
      revive();
      await collect(copy, await plan(['gone'], { pending, from: copy }), async () => []);
      assert.deepEqual(await keysOf(copy), expected, `killed at ${killedAt}`);
    }
    for (const key of expected.filter((key) => key.startsWith('memo/'))) {
      const { value } = JSON.parse(Buffer.from((await whole.get(key))!.bytes).toString());
      for (const ref of artifactRefsIn(value)) assert.ok(await whole.head(ref.key), `${key} names what is gone`);
    }
  });
});
