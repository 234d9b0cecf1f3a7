import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { ArtifactRef } from '../../../contracts/artifact.ts';
import type { RunLineage } from '../../../contracts/lineage.ts';
import { ArtifactStore } from '../../../lib/artifacts/artifact-store.ts';
import { collect } from '../../../lib/artifacts/collect.ts';
import { type GcPlan, planGc } from '../../../lib/artifacts/gc.ts';
import { chainKey, memoKey } from '../../../lib/artifacts/keys.ts';
import { artifactRefsIn } from '../../../lib/artifacts/manifest.ts';
import { MemoryStore } from '../../../lib/artifacts/memory-store.ts';
import { dyingAfter } from '../../helpers/dying-store.ts';
import { SCANS, type TinyRun, tinyRun } from '../../helpers/tiny-pipeline.ts';

const DAY_MS = 86_400_000;
const TODAY = Date.parse('2026-01-31');
const POLICY = { ageMs: 7 * DAY_MS, last: null, graceMs: DAY_MS };
const [FIRST] = Object.keys(SCANS) as [string];

describe('garbage collection', () => {
  let store: MemoryStore;
  let artifacts: ArtifactStore;
  beforeEach(() => {
    store = new MemoryStore();
    artifacts = new ArtifactStore(store);
  });

  const at = (daysAgo: number): void => {
    store.now = () => new Date(TODAY - daysAgo * DAY_MS);
  };
  const run = (id: string, daysAgo: number, how: Partial<TinyRun> = {}): Promise<RunLineage> => {
    at(daysAgo);
    return tinyRun(id, { scans: SCANS, ...how }, store);
  };
  const plan = (policy: Partial<typeof POLICY> | { last: number } = {}, roots: unknown[] = []): Promise<GcPlan> =>
    planGc(store, { ...POLICY, ...policy }, roots, TODAY);
  const none = async () => [];
  const all = async (policy: Parameters<typeof plan>[0] = {}, roots: unknown[] = []): Promise<GcPlan> => {
    const planned = await plan(policy, roots);
    at(0);
    await collect(store, planned, async () => roots);
    return planned;
  };
  const json = async (key: string) => JSON.parse(Buffer.from((await store.get(key))!.bytes).toString());
  const keys = async (prefix = ''): Promise<string[]> => {
    const found = [];
    for await (const { key } of store.list(prefix)) found.push(key);
    return found;
  };
  /** Every result in the store is whole. */
  const assertWhole = async (): Promise<void> => {
    for (const key of await keys('memo/')) {
      for (const ref of artifactRefsIn((await json(key)).value))
        assert.ok(await artifacts.has(ref), `${key}: ${ref.key}`);
    }
  };
  const madeBy = async ({ uses }: RunLineage): Promise<ArtifactRef[]> => {
    const manifests = await Promise.all(uses.map(({ key }) => json(key)));
    return artifactRefsIn(manifests.map(({ value }) => value));
  };
  const assertThere = async (refs: readonly ArtifactRef[]): Promise<void> => {
    for (const ref of refs) assert.ok(await artifacts.has(ref), `${ref.kind} ${ref.key}`);
  };

  it('only says what it would delete, until it is told to', async () => {
    await run('old', 20);
    const before = await keys();
    const planned = await plan();
    assert.deepEqual(await keys(), before);
    assert.equal(planned.doomed.length, before.length);
    assert.deepEqual(planned.staying, { objects: 0, bytes: 0 });
  });

  it('deletes what the old run alone had made, and nothing of what a kept run uses', async () => {
    const old = await run('old', 20, { learningRate: 1e-3 });
    const own = await madeBy(old);
    const kept = await run('kept', 2);
    const used = await madeBy(kept);
    const { keptRuns, doomed } = await all();
    assert.deepEqual(keptRuns, ['kept']);
    await assertThere([...used, kept.input.spec]);
    await assertWhole();
    const left = await Promise.all(own.map((ref) => artifacts.has(ref)));
    const shared = own.filter((ref) => used.some(({ key }) => key === ref.key));
    assert.equal(left.filter(Boolean).length, shared.length);
    assert.deepEqual(await keys('runs/'), ['runs/kept/lineage.json']);
    assert.ok(doomed.some(({ kind }) => kind === 'evaluation') && doomed.some(({ kind }) => kind === 'result'));
    assert.ok((await tinyRun('again', { scans: SCANS }, store)).uses.filter(({ reused }) => !reused).length === 1);
    assert.deepEqual((await plan()).doomed, []);
  });

  it('tells kinds of objects and nothing else', async () => {
    await run('old', 20);
    const kinds = new Set((await plan()).doomed.map(({ kind }) => kind));
    assert.ok(
      [...kinds].every((kind) => /^[a-z -]+$/.test(kind)),
      [...kinds].join(),
    );
  });

  it('keeps the newest runs of each name', async () => {
    await run('one', 30, { learningRate: 1e-3 });
    await run('two', 20);
    assert.deepEqual((await plan({ ageMs: null, last: 1 } as never)).keptRuns, ['one', 'two']);
    assert.deepEqual((await plan({ ageMs: null, last: 0 } as never)).keptRuns, []);
  });

  it('keeps a run that has just ended, with what it has reused, whatever the policy', async () => {
    await run('old', 20);
    const young = await run('young', 0.5, { learningRate: 1e-3 });
    const policy = { ageMs: null, last: 0 } as never;
    assert.deepEqual((await all(policy)).keptRuns, ['young']);
    await assertThere(await madeBy(young));
  });

  it('keeps the account of a run that failed by its age, and lets it take the place of none that ended well', async () => {
    await run('good', 30);
    await run('bad', 20, { fails: true });
    for (const file of ['good/lineage', 'bad/failure']) {
      const key = `runs/${file}.json`;
      at(file.startsWith('good') ? 30 : 20);
      const lineage = await json(key);
      await store.put(key, Buffer.from(JSON.stringify({ ...lineage, input: { ...lineage.input, name: 'lungs' } })));
    }
    assert.deepEqual((await plan({ ageMs: null, last: 1 } as never)).keptRuns, ['good']);
    assert.deepEqual((await plan({ ageMs: 25 * DAY_MS })).keptRuns, ['bad']);
    await all();
    assert.deepEqual(await keys('runs/'), []);
  });

  it('counts the runs that a run has started as part of that one', async () => {
    const named = async (id: string, daysAgo: number): Promise<void> => {
      await run(id, daysAgo);
      const lineage = await json(`runs/${id}/lineage.json`);
      const input = { ...lineage.input, name: 'lungs' };
      await store.put(`runs/${id}/lineage.json`, Buffer.from(JSON.stringify({ ...lineage, input })));
    };
    for (const id of ['a/fold-1', 'a/fold-2', 'a', 'b/fold-1', 'b/fold-2', 'b']) await named(id, id < 'b' ? 30 : 20);
    assert.deepEqual((await plan({ ageMs: null, last: 1 } as never)).keptRuns, ['b', 'b/fold-1', 'b/fold-2']);
    assert.deepEqual((await plan({ ageMs: 25 * DAY_MS })).keptRuns, ['b', 'b/fold-1', 'b/fold-2']);
  });

  it('keeps the training that a kept run has branched from', async () => {
    const old = await run('old', 20);
    const kept = await run('kept', 2, { learningRate: 1e-3 });
    const of = old.uses.find(({ key }) => key.includes('/fine-tune/'))!.key;
    const input = { ...kept.input, branch: { of, epoch: 1 } };
    await store.put('runs/kept/lineage.json', Buffer.from(JSON.stringify({ ...kept, input })));
    await all();
    assert.ok(await store.head(of));
    await assertWhole();
  });

  it('leaves alone what is younger than the time of grace, and what that is made of', async () => {
    await run('old', 20);
    store.delete('runs/old/lineage.json');
    // Work under way, long before there is a run to speak of: it found the old results, and made one.
    const encoded = (await keys('memo/encode/'))[0]!;
    const { value } = await json(encoded);
    at(0.5);
    const weights = await artifacts.put('weights', Buffer.from('under way'));
    await artifacts.memo({
      ...{ stage: 'fine-tune', version: 1, parameters: {}, inputs: [] },
      schema: { parse: (read) => read as object },
      compute: async () => ({ weights, from: value.embeddings }),
    });
    const { doomed } = await all();
    assert.equal(
      doomed.some(({ key }) => key === value.embeddings.key),
      false,
    );
    await assertThere([weights, value.embeddings]);
    await assertWhole();
  });

  it('keeps what a run has made that did not end well, as long as it would keep the run', async () => {
    const failed = await run('failed', 5);
    store.delete('runs/failed/lineage.json');
    await all();
    await assertThere(await madeBy(failed));
    await all({ ageMs: 4 * DAY_MS });
    assert.deepEqual(await keys('memo/'), []);
  });

  it('keeps what models name, however many artifacts away, and the runs that made them', async () => {
    const old = await run('old', 20);
    await run('other', 20, { scans: { [FIRST]: 'another' } });
    const weights = await artifacts.put('weights', Buffer.from('of the champion'));
    const packaged = await artifacts.putJson('model-package', { weights });
    const champion = { package: packaged, run: 'old', seen: {} };
    await store.put('models/lungs/champion.json', Buffer.from(JSON.stringify(champion)));
    const { keptRuns } = await all();
    assert.deepEqual(keptRuns, ['old']);
    await assertThere([packaged, weights, ...(await madeBy(old))]);
  });

  it('keeps what schedules and open workflows name', async () => {
    const { input, uses } = await run('old', 20);
    const [embeddings] = artifactRefsIn(await json(uses.find(({ key }) => key.includes('/encode/'))!.key));
    await all({}, [{ args: [input] }, embeddings]);
    await assertThere([input.spec, embeddings!]);
    await assertWhole();
  });

  it('keeps objects that it does not know, and what they name', async () => {
    at(90);
    const ref = await artifacts.put('weights', Buffer.from('of a later version'));
    await store.put('aliases/production.json', Buffer.from(JSON.stringify({ of: ref })));
    await store.put('notes.txt', Buffer.from('mine'));
    assert.deepEqual((await all()).doomed, []);
  });

  it('leaves whole results wherever it is killed, and the next one does the rest', async () => {
    await run('old', 20, { learningRate: 1e-3 });
    await run('kept', 2);
    const planned = await plan();
    for (let killedAt = 0; killedAt < planned.doomed.length; killedAt += 5) {
      const copy = await copyOf(store);
      const revive = dyingAfter(copy, killedAt);
      await assert.rejects(collect(copy, planned, none), /killed/);
      for await (const { key } of copy.list('memo/')) {
        const { value } = JSON.parse(Buffer.from((await copy.get(key))!.bytes).toString());
        for (const ref of artifactRefsIn(value)) assert.ok(await copy.head(ref.key), `killed at ${killedAt}: ${key}`);
      }
      revive();
      await collect(copy, await planGc(copy, POLICY, [], TODAY), none);
      assert.deepEqual((await planGc(copy, POLICY, [], TODAY)).doomed, []);
      assert.equal(await sizeOf(copy), planned.staying.objects);
    }
  });

  it('looks again before artifacts go: what is named meanwhile stays', async () => {
    const old = await run('old', 20);
    const planned = await plan();
    const [embeddings] = await madeBy({ ...old, uses: old.uses.filter(({ key }) => key.includes('/encode/')) });
    const [weights] = await madeBy({ ...old, uses: old.uses.filter(({ key }) => key.includes('/fine-tune/')) });
    at(0);
    // One by a result that came since, the other by a workflow that was started.
    await artifacts.memo({
      ...{ stage: 'encode', version: 2, parameters: {}, inputs: [] },
      schema: { parse: (read) => read as object },
      compute: async () => ({ embeddings }),
    });
    await collect(store, planned, async () => [{ weights }]);
    await assertThere([embeddings!, weights!]);
  });

  it('keeps the checkpoints at the ends of epochs of a kept training, and all of one that may go on', async () => {
    const trained = await run('kept', 2);
    const identity = { stage: 'fine-tune', version: 9, parameters: {}, inputs: [] };
    const key = memoKey(identity);
    at(5);
    const curves = await artifacts.putJson('curves', { epochs: [{}, {}] });
    await artifacts.memo({
      ...identity,
      schema: { parse: (read) => read as object },
      compute: async () => ({ curves, steps: 6 }),
    });
    await store.put(
      'runs/kept/lineage.json',
      Buffer.from(JSON.stringify({ ...trained, uses: [...trained.uses, { key }] })),
    );
    const chain = async (hex: string, steps: readonly number[]): Promise<ArtifactRef[]> => {
      const refs = [];
      for (const step of steps) {
        const checkpoint = await artifacts.put('checkpoint', Buffer.from(`${hex} ${step}`));
        await store.put(
          `runs/${hex}/steps/${String(step).padStart(9, '0')}.json`,
          Buffer.from(JSON.stringify({ step, checkpoint })),
        );
        refs.push(checkpoint);
      }
      await store.put(`runs/${hex}/head.json`, Buffer.from('{}'));
      return refs;
    };
    const ended = await chain(chainKey(key, undefined), [2, 3, 4, 6]);
    // One that was stopped lies beside the planned one, with checkpoints under the planned one's key.
    at(20);
    const planned = { ...identity, parameters: { training: 'another' } };
    const stopped = { ...planned, parameters: { ...planned.parameters, until: 1 } };
    const brief = await artifacts.putJson('curves', { epochs: [{}] });
    await artifacts.memo({
      ...stopped,
      schema: { parse: (read) => read as object },
      compute: async () => ({ curves: brief, steps: 3 }),
    });
    const cut = await chain(chainKey(memoKey(planned), undefined), [2, 3]);
    at(5);
    const uses = [...trained.uses, { key }, { key: memoKey(stopped) }];
    await store.put('runs/kept/lineage.json', Buffer.from(JSON.stringify({ ...trained, uses })));
    const open = await chain('b'.repeat(64), [2, 3]);
    at(20);
    const given = await chain('c'.repeat(64), [2, 3]);
    const used = await chain('d'.repeat(64), [2, 3]);
    await all({}, [used[1]]);
    const there = async (refs: ArtifactRef[]) => Promise.all(refs.map((ref) => artifacts.has(ref)));
    assert.deepEqual(await there(ended), [false, true, false, true]);
    assert.deepEqual(await there(cut), [false, true]);
    assert.deepEqual(await there(open), [true, true]);
    assert.deepEqual(await there(given), [false, false]);
    assert.deepEqual(await there(used), [true, true]);
    assert.deepEqual((await keys(`runs/${'c'.repeat(64)}/`)).length, 0);
  });
});

async function copyOf(store: MemoryStore): Promise<MemoryStore> {
  const copy = new MemoryStore();
  for await (const { key, modified } of store.list('')) {
    copy.now = () => modified;
    await copy.put(key, (await store.get(key))!.bytes);
  }
  return copy;
}

async function sizeOf(store: MemoryStore): Promise<number> {
  let objects = 0;
  for await (const _ of store.list('')) objects += 1;
  return objects;
}
