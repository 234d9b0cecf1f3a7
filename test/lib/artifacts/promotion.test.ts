import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { ArtifactRef } from '../../../contracts/artifact.ts';
import { RunConfig } from '../../../contracts/config.ts';
import { type Candidate, Champion, type ModelPackage } from '../../../contracts/stages.ts';
import { ArtifactStore } from '../../../lib/artifacts/artifact-store.ts';
import { collect } from '../../../lib/artifacts/collect.ts';
import { planGc } from '../../../lib/artifacts/gc.ts';
import { candidateKey, championKey } from '../../../lib/artifacts/keys.ts';
import { MemoryStore } from '../../../lib/artifacts/memory-store.ts';
import {
  approve,
  digestOfProposal,
  modelNames,
  promotionsOf,
  requireProposal,
} from '../../../lib/artifacts/promotion.ts';
import { assertRejectsWithFault } from '../../helpers/faults.ts';
import { smallRun } from '../../helpers/installation.ts';

const AUTHOR = 'samflow:ann@desk';
const OTHER = 'samflow:bob@desk';
const NOW = new Date('2026-01-02T03:04:05Z');
const seen = { fingerprint: 'f', settings: 's', spec: 'c' };

describe('a model that waits for a second person', () => {
  let store: MemoryStore;
  let artifacts: ArtifactStore;
  beforeEach(() => {
    store = new MemoryStore();
    artifacts = new ArtifactStore(store);
  });

  async function model(name: string): Promise<ArtifactRef> {
    const { slices, prompts, evaluation } = RunConfig.parse(smallRun(name));
    const [weights, other] = [
      await artifacts.put('weights', Buffer.from(name)),
      await artifacts.put('other', Buffer.of(1)),
    ];
    const ref = { name, origin: null, config: other, preprocessor: other, weights: other };
    const scores = { dice: 0.5, iou: 0.4 };
    const value: ModelPackage = {
      ...{
        name,
        target: 'lungs',
        model: { ...ref, embeddingShape: [1, 1, 1] },
        weights,
        proposer: null,
        slices,
        prompts,
      },
      ...{ structures: [{ name: 'lungs', label: null }], priors: [], postProcess: null, evaluation },
      metrics: { zeroShot: scores, fineTuned: scores },
      ...{ learnedFrom: [], heldOut: [], fingerprint: 'f' },
    };
    return artifacts.putJson('model-package', value);
  }

  /** What a retraining leaves that has trained a better one. */
  async function propose(run: string, change: Partial<NonNullable<Candidate['proposal']>> = {}): Promise<void> {
    const against = (await artifacts.readPointer(championKey('small'), Champion))?.etag ?? null;
    const made = { package: await model(run), run, author: AUTHOR, champion: null, challenger: 0.5, against };
    const proposal = { ...made, metrics: digestOfProposal(made), ...change };
    const before = await store.get(candidateKey('small'));
    await artifacts.writePointer(candidateKey('small'), { seen, proposal }, before?.etag ?? null);
  }

  const yes = async (by: string) =>
    approve(artifacts, { name: 'small', waiting: await requireProposal(artifacts, 'small'), by, now: NOW });
  const champion = async () => (await artifacts.readPointer(championKey('small'), Champion))?.value;

  it('is refused to its author, on whatever machine, and serves nobody', async () => {
    await propose('r-1');
    for (const by of [AUTHOR, 'samflow:ann@laptop']) {
      await assertRejectsWithFault(
        yes(by),
        'PROMOTION_OWN',
        /^small: found the account that made its schedule .*second person/,
      );
    }
    assert.equal(await champion(), undefined);
  });

  it('becomes the champion by somebody else’s word, which is recorded with time, author and digest', async () => {
    await propose('r-1');
    await yes(OTHER);
    const { run, seen: looked, promotion } = (await champion())!;
    assert.deepEqual([run, looked], ['r-1', seen]);
    const { metrics, ...said } = promotion!;
    assert.deepEqual(said, { by: OTHER, author: AUTHOR, at: NOW.toISOString(), before: null });
    assert.match(metrics, /^[0-9a-f]{64}$/);
    await assertRejectsWithFault(requireProposal(artifacts, 'small'), 'PROMOTION_NONE', /promoted already/);
  });

  it('is none where none was proposed', async () => {
    await assertRejectsWithFault(yes(OTHER), 'PROMOTION_NONE', /^small: found no candidate/);
    assert.deepEqual(await modelNames(store), []);
  });

  it('is the one that was looked at, though another has come since', async () => {
    await propose('r-1');
    const waiting = await requireProposal(artifacts, 'small');
    await propose('r-2');
    await approve(artifacts, { name: 'small', waiting, by: OTHER, now: NOW });
    assert.equal((await champion())!.run, 'r-1');
    await assertRejectsWithFault(yes(OTHER), 'PROMOTION_OUTDATED');
  });

  it('has to be measured again where another champion has come since', async () => {
    await propose('r-1');
    await artifacts.writePointer(championKey('small'), { package: await model('x'), run: 'x', seen }, null);
    await assertRejectsWithFault(yes(OTHER), 'PROMOTION_OUTDATED', /another champion.*schedule trigger small/);
    assert.equal((await champion())!.run, 'x');
  });

  it('loses against a champion that comes in the same moment', async () => {
    await propose('r-1');
    const other = { package: await model('x'), run: 'x', seen };
    const put = store.put.bind(store);
    store.put = async (key, bytes, options) => {
      if (key === championKey('small')) await put(key, Buffer.from(JSON.stringify(other)));
      return put(key, bytes, options);
    };
    await assertRejectsWithFault(yes(OTHER), 'PROMOTION_OUTDATED');
    assert.equal((await champion())!.run, 'x');
  });

  it('is refused where its scores or its model are not those that were measured', async () => {
    await propose('r-1', { challenger: 0.9 });
    await assertRejectsWithFault(yes(OTHER), 'PROMOTION_ALTERED');
    await propose('r-2', { package: await model('another') });
    await assertRejectsWithFault(yes(OTHER), 'PROMOTION_ALTERED');
    await propose('r-3', { author: OTHER });
    await assertRejectsWithFault(yes('samflow:eve@desk'), 'PROMOTION_ALTERED');
    const weights = await model('r-4');
    await propose('r-4');
    await store.put(weights.key, Buffer.from('other bytes'));
    await assertRejectsWithFault(yes(OTHER), 'ARTIFACT_CORRUPT');
  });

  it('names the champion before it, so that everybody who has said yes can be told; what those served may go', async () => {
    await propose('r-1');
    await yes(OTHER);
    const first = (await champion())!;
    await propose('r-2');
    await yes('samflow:eve@desk');
    const told = async () =>
      (await promotionsOf(artifacts, 'small')).map(({ run, promotion }) => `${run} ${promotion?.by}`);
    assert.deepEqual(await told(), ['r-2 samflow:eve@desk', `r-1 ${OTHER}`]);
    const policy = { ageMs: null, last: null, graceMs: 0 };
    await collect(store, await planGc(store, policy, [], Date.now() + 1000), async () => []);
    assert.deepEqual(await told(), ['r-2 samflow:eve@desk', `r-1 ${OTHER}`]);
    assert.equal(await store.head(first.package.key), null);
  });
});
