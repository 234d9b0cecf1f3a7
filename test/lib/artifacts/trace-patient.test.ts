import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { ArtifactRef } from '../../../contracts/artifact.ts';
import { ArtifactStore } from '../../../lib/artifacts/artifact-store.ts';
import { collect } from '../../../lib/artifacts/collect.ts';
import { explainRun } from '../../../lib/artifacts/explain.ts';
import { MemoryStore } from '../../../lib/artifacts/memory-store.ts';
import { type DeletionPlan, planDeletion } from '../../../lib/artifacts/plan-deletion.ts';
import { readContent } from '../../../lib/artifacts/store-content.ts';
import { strikePatients } from '../../../lib/artifacts/strike-patient.ts';
import { type PatientTrace, tracePatient } from '../../../lib/artifacts/trace-patient.ts';
import { shardDigests } from '../../../lib/dataset/shards.ts';
import { dyingAfter } from '../../helpers/dying-store.ts';
import { copyOf, findText, keysOf } from '../../helpers/store-text.ts';
import { keyOf, type StoredPatient, type StoredRunOptions, storedRun } from '../../helpers/stored-run.ts';

const MARKER = 'quackenbush';
const withMarker = (part: StoredPatient['part']): StoredPatient[] => [
  { id: 'ann', part: part === 'train' ? 'val' : 'train' },
  { id: MARKER, part },
  { id: 'eve', part: part === 'test' ? 'val' : 'test' },
];
const WITHOUT: readonly StoredPatient[] = [
  { id: 'ann', part: 'train' },
  { id: 'bob', part: 'val' },
  { id: 'eve', part: 'test' },
];

describe('the deletion of a patient', () => {
  let store: MemoryStore;
  beforeEach(() => {
    store = new MemoryStore();
  });
  const run = (id: string, patients: readonly StoredPatient[], how: Partial<StoredRunOptions> = {}) =>
    storedRun(id, { patients, ...how }, store);
  const trace = async (id = MARKER, from = store, pending: readonly string[] = []): Promise<PatientTrace> => {
    const search = { patient: keyOf(id), keyOf, shardDigests, roots: [], pending };
    return tracePatient(from, await readContent(from), search);
  };
  const plan = async (
    { taken }: PatientTrace,
    runs: readonly string[] = [],
    from: MemoryStore = store,
  ): Promise<DeletionPlan> =>
    planDeletion(from, await readContent(from), { runs, histories: [], taken, pending: [] }, []);
  const remove = async (found: PatientTrace, runs: readonly string[] = []): Promise<void> => {
    const planned = await plan(found, runs);
    await strikePatients(store, (await readContent(store)).runs, found.patients);
    await collect(store, planned, async () => []);
  };
  const has = (ref: ArtifactRef): Promise<boolean> => new ArtifactStore(store).has(ref);
  const json = async (key: string) => JSON.parse(Buffer.from((await store.get(key))!.bytes).toString());

  for (const part of ['train', 'val', 'test'] as const) {
    it(`leaves no key and no object in which the patient stands, who was in part ${part}`, async () => {
      await run('with', withMarker(part), { listed: true });
      assert.ok((await findText(store, new RegExp(MARKER))).length >= 8);
      await remove(await trace());
      assert.deepEqual(await findText(store, new RegExp(MARKER)), []);
      const { masks, patients, test, repairs } = await json('runs/with/result.json');
      assert.doesNotMatch(JSON.stringify([masks, patients, test, repairs]), new RegExp(keyOf(MARKER)));
      assert.doesNotMatch(JSON.stringify((await json('runs/with/lineage.json')).uses), new RegExp(keyOf(MARKER)));
    });
  }

  it('names who has learned and who was tested, and leaves what has learned', async () => {
    const learned = await run('learned', withMarker('train'));
    await run('chosen', withMarker('val'), { learningRate: 1e-3 });
    await run('tested', withMarker('test'), { learningRate: 1e-2 });
    await run('without', WITHOUT);
    await store.put(
      'models/lungs/champion.json',
      Buffer.from(JSON.stringify({ package: learned.package, run: 'learned' })),
    );
    const found = await trace();
    assert.deepEqual([found.learned, found.tested], [['chosen', 'learned'], ['tested']]);
    assert.deepEqual(found.models, ['models/lungs/champion.json']);
    await remove(found);
    for (const ref of [learned.weights, learned.package]) assert.ok(await has(ref), ref.kind);
    for (const ref of learned.checkpoints) assert.equal(await has(ref), false, 'a checkpoint');
    // Still known when it is asked again.
    assert.deepEqual((await trace()).learned, ['chosen', 'learned']);
  });

  it('deletes the runs that have learned where it is told to, and their weights', async () => {
    const learned = await run('learned', withMarker('train'));
    await run('tested', withMarker('test'), { learningRate: 1e-2 });
    const found = await trace();
    await remove(found, found.learned);
    for (const ref of [learned.weights, learned.package, learned.report]) assert.equal(await has(ref), false, ref.kind);
    assert.deepEqual(await keysOf(store, 'runs/learned'), []);
    assert.deepEqual((await trace()).learned, []);
  });

  it('leaves the other patients, and runs without the patient find all their results again', async () => {
    await run('with', withMarker('train'));
    const without = await run('without', WITHOUT);
    await remove(await trace());
    assert.ok((await explainRun(without.lineage, store)).length > 5);
    const again = await run('without', WITHOUT);
    assert.deepEqual(
      again.lineage.uses.filter(({ reused }) => !reused),
      [],
    );
    const { lineage } = await run('next', [WITHOUT[0]!, WITHOUT[2]!]);
    const made = new Set(lineage.uses.filter(({ reused }) => !reused).map(({ key }) => key.split('/')[1]));
    for (const stage of ['convert', 'slice', 'encode']) assert.ok(!made.has(stage), stage);
  });

  it('finds the very same scan under the pseudonym that infer gave it, though nothing names its list of files', async () => {
    await run('with', withMarker('train'));
    const artifacts = new ArtifactStore(store);
    const ref = await artifacts.put('scan', Buffer.from(`scan of ${MARKER}`));
    const patient = 'p-0123456789ab';
    const image = [{ name: 'x.nii', path: `${MARKER}/x.nii`, ref }];
    await artifacts.putJson('patient-files', { patient, image, mask: null, labels: null });
    const found = await trace();
    assert.deepEqual(found.patients, [keyOf(MARKER), patient].sort());
    await remove(found);
    assert.deepEqual(await findText(store, new RegExp(MARKER)), []);
  });

  it('leaves what another patient has bit by bit, and says so', async () => {
    await run('with', withMarker('train'));
    const artifacts = new ArtifactStore(store);
    const mask = await artifacts.put('mask', Buffer.from(`mask of ${MARKER}`));
    const other = await artifacts.put('scan', Buffer.from('scan of zoe'));
    const files = { patient: keyOf('zoe'), image: [{ name: 'a', path: 'a', ref: other }], labels: null };
    await artifacts.putJson('patient-files', { ...files, mask: { name: 'b', path: 'b', ref: mask } });
    const found = await trace();
    assert.deepEqual([found.patients, found.shared], [[keyOf(MARKER)], 1]);
    await remove(found);
    assert.ok((await has(mask)) && (await has(other)));
  });

  it('takes embeddings that no record names, by the pixels of the slices, and weights that nothing names', async () => {
    await run('with', withMarker('train'));
    for (const key of await keysOf(store, 'runs/')) if (key.startsWith('runs/with')) store.delete(key);
    await remove(await trace());
    assert.deepEqual(await findText(store, new RegExp(`${MARKER}|tuned by`)), []);
  });

  it('takes what stands on the list of a patient’s embeddings, also where slices and results are gone', async () => {
    await run('without', WITHOUT);
    const artifacts = new ArtifactStore(store);
    const embeddings = await artifacts.put('embeddings', Buffer.from(`embeddings of ${MARKER}`));
    const list = await artifacts.putJson('embedding-index', [{ embeddings, from: 0, to: 2 }]);
    const test = [{ patient: keyOf(MARKER), shards: [{ embeddings: list, from: 0, to: 2 }] }];
    await store.put('runs/older/result.json', Buffer.from(JSON.stringify({ name: 'older', test })));
    await remove(await trace());
    assert.deepEqual([await has(list), await has(embeddings)], [false, false]);
  });

  it('counts trainings without a result: they may have learned from anybody', async () => {
    await run('with', withMarker('train'));
    assert.equal((await trace()).unfinished, 0);
    await store.put(`runs/${'a'.repeat(64)}/head.json`, Buffer.from('{}'));
    assert.equal((await trace()).unfinished, 1);
  });

  it('finds nothing of somebody who was never there', async () => {
    await run('without', WITHOUT);
    const { taken, learned, tested } = await trace();
    assert.deepEqual([taken.artifacts.size, taken.results.size, learned, tested], [0, 0, [], []]);
  });

  it('ends the same wherever it was killed', async () => {
    await run('with', withMarker('test'), { listed: true });
    await run('without', WITHOUT);
    const found = await trace();
    const planned = await plan(found);
    const pending = planned.doomed.flatMap(({ key }) => (key.startsWith('cas/') ? [key] : []));
    const carryOut = async (target: MemoryStore, again: DeletionPlan): Promise<void> => {
      await strikePatients(target, (await readContent(target)).runs, found.patients);
      await collect(target, again, async () => []);
    };
    const whole = await copyOf(store);
    await carryOut(whole, planned);
    const expected = await keysOf(whole);
    for (let killedAt = 0; killedAt < planned.doomed.length; killedAt += 3) {
      const copy = await copyOf(store);
      const revive = dyingAfter(copy, killedAt);
      await assert.rejects(carryOut(copy, planned), /killed/);
      revive();
      await carryOut(copy, await plan(await trace(MARKER, copy, pending), [], copy));
      assert.deepEqual(await keysOf(copy), expected, `killed at ${killedAt}`);
    }
  });
});
