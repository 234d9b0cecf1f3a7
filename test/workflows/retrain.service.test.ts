import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { WorkflowFailedError } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import { createPromote, createPropose, createReadChampion, createRecordRun } from '../../activities/registry.ts';
import { RunConfig } from '../../contracts/config.ts';
import { WORKFLOWS } from '../../contracts/messages.ts';
import type { PipelineResult, RetrainInput, RetrainResult } from '../../contracts/pipeline.ts';
import {
  Candidate,
  type Champion,
  type DatasetSpec,
  type EvaluateInput,
  ModelPackage,
} from '../../contracts/stages.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { candidateKey } from '../../lib/artifacts/keys.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import { approve, requireProposal } from '../../lib/artifacts/promotion.ts';
import { withoutTools } from '../helpers/dev-servers.ts';
import { type DoubledActivities, openDoubled } from '../helpers/doubled-activities.ts';
import { assertRejectsWithFault } from '../helpers/faults.ts';
import { smallRun } from '../helpers/installation.ts';

const CHAMPION = 'models/small/champion.json';
const { name, source, dataset, device, split, model, slices, prompts, training, evaluation } = RunConfig.parse(
  smallRun('small'),
);
const settings = { split, model, device, slices, prompts, training, evaluation };
const FINGERPRINT = 'f'.repeat(64);
const scores = (dice: number) => ({ dice, iou: dice });
const outcome = { reused: false, seconds: 1 };

describe('a retraining', { skip: await withoutTools('temporal') }, () => {
  let temporal: DoubledActivities;
  let store: MemoryStore;
  let artifacts: ArtifactStore;
  /** Dice of the model that a training gives. */
  let dice: number;
  let trainings: number;
  /** What somebody else does while this retraining compares. */
  let meanwhile: () => Promise<void>;

  /** The registry is the real one, on a store of each test's own; looks, training and scores are doubled. */
  const activities = {
    recordRun: (input: never) => createRecordRun({ artifacts } as never)(input),
    fingerprint: async () => ({ fingerprint: FINGERPRINT }),
    readChampion: (input: never) => createReadChampion({ artifacts } as never)(input),
    promote: (input: never) => createPromote({ artifacts } as never)(input),
    propose: (input: never) => createPropose({ artifacts } as never)(input),
    trainDouble: async ({ name: run }: RetrainInput) => trained(`${run}-${++trainings}`, dice),
    slice: async () => ({
      patient: PATIENT,
      slices: await blob('slices'),
      count: 1,
      total: 1,
      height: 1,
      width: 1,
      ...outcome,
    }),
    evaluate: async ({ weights }: EvaluateInput) => {
      const happens = meanwhile;
      meanwhile = async () => undefined;
      await happens();
      const found = scores(Number(Buffer.from(await artifacts.get(weights)).toString()));
      return { evaluation: weights, predictions: [], zeroShot: scores(0), fineTuned: found, ...outcome };
    },
  };
  const PATIENT = 'p-000000000001';
  const structures = [{ name: 'lungs', label: null }];
  const blob = (kind: string, text = kind) => artifacts.put(kind, Buffer.from(text));

  /** What a training gives: here a model that is nothing but its score. */
  async function trained(run: string, score: number): Promise<PipelineResult> {
    const [weights, other] = [await blob('weights', `${score}`), await blob('other')];
    const ref = { name, origin: null, config: other, preprocessor: other, weights: other };
    const encoder = { ...ref, embeddingShape: [1, 1, 1] as [number, number, number] };
    const metrics = { zeroShot: scores(0), fineTuned: scores(score) };
    const packaged: ModelPackage = {
      ...{ name, target: 'lungs', model: encoder, weights, structures, slices, prompts, priors: [], metrics },
      ...{ learnedFrom: [], heldOut: [PATIENT], fingerprint: FINGERPRINT },
      ...{ postProcess: null, evaluation, proposer: null },
    };
    return {
      ...{
        run,
        name,
        target: 'lungs',
        structures,
        stages: [],
        metrics,
        fingerprint: FINGERPRINT,
        model: encoder,
        weights,
      },
      split: { train: [], val: [], test: [PATIENT], record: other, ...outcome },
      patients: [],
      test: [{ patient: PATIENT, slices: other, shards: [], volume: other }],
      package: await artifacts.putJson('model-package', packaged),
      ...{ evaluation: other, curves: other, masks: [], report: other, repairs: [] },
    };
  }

  before(async () => {
    temporal = await openDoubled('retrain-workflows.ts', activities);
  });
  after(() => temporal?.close());
  beforeEach(() => {
    store = new MemoryStore();
    artifacts = new ArtifactStore(store);
    dice = 0.5;
    trainings = 0;
    meanwhile = async () => undefined;
  });

  const retrain = async (
    described: DatasetSpec['dataset'] = dataset,
    approval?: RetrainInput['approval'],
  ): Promise<RetrainResult> => {
    const spec = await artifacts.putJson('dataset-spec', { source, dataset: described });
    const input: RetrainInput = {
      name,
      target: described.target,
      spec,
      structures,
      settings,
      ...(approval && { approval }),
    };
    return (await temporal.start<RetrainResult>(WORKFLOWS.retrain, input)).result();
  };
  const champion = async (): Promise<Champion> =>
    JSON.parse(Buffer.from((await store.get(CHAMPION))!.bytes).toString());

  it('ends without a training where nothing has changed', async () => {
    assert.equal((await retrain()).outcome, 'first');
    assert.equal((await retrain()).outcome, 'unchanged');
    assert.equal(trainings, 1);
  });

  it('trains where only the description of the data set has changed: other labels, another patient of the same folder', async () => {
    await retrain();
    assert.notEqual((await retrain({ ...dataset, labels: [2] })).outcome, 'unchanged');
    const listed = { image: '3d_images/IMG_0001.nii.gz', mask: '3d_images/MASK_0001.nii.gz' };
    const { pattern, ...rest } = dataset;
    assert.notEqual((await retrain({ ...rest, patients: [{ id: '1', ...listed }] })).outcome, 'unchanged');
    assert.equal(trainings, 3);
  });

  const OVERTAKEN: [claim: string, theirs: number, outcome: string, dice: number][] = [
    ['a better one stays', 0.9, 'kept', 0.9],
    ['one that is not as good goes', 0.6, 'promoted', 0.7],
  ];
  for (const [claim, theirs, expected, best] of OVERTAKEN) {
    it(`compares again with a champion that came while it compared: ${claim}`, async () => {
      await retrain();
      dice = 0.7;
      meanwhile = async () => {
        const { package: other } = await trained('theirs', theirs);
        await store.put(
          CHAMPION,
          Buffer.from(JSON.stringify({ ...(await champion()), package: other, run: 'theirs' })),
        );
      };
      const { outcome, champion: before, challenger } = await retrain({ ...dataset, labels: [2] });
      assert.deepEqual([outcome, before, challenger], [expected, theirs, 0.7]);
      const { metrics } = await artifacts.getJson((await champion()).package, ModelPackage);
      assert.equal(metrics.fineTuned.dice, best);
      assert.equal((await retrain({ ...dataset, labels: [2] })).outcome, 'unchanged');
    });
  }

  it('gives up where others are always faster', async () => {
    await retrain();
    let writes = 0;
    meanwhile = async function always() {
      await store.put(CHAMPION, Buffer.from(JSON.stringify({ ...(await champion()), run: `${++writes}` })));
      meanwhile = always;
    };
    const failed = await retrain({ ...dataset, labels: [2] }).catch((error: WorkflowFailedError) => error.cause);
    assert.equal((failed as ApplicationFailure).type, 'CHAMPION_CHANGED');
  });

  it('reads the record of an older version, trains once more because that one does not say what it had seen, and then knows', async () => {
    await retrain();
    const { seen, ...older } = await champion();
    const { spec, ...seenBefore } = seen;
    await store.put(CHAMPION, Buffer.from(JSON.stringify({ ...older, seen: seenBefore })));
    assert.equal((await retrain()).outcome, 'kept');
    assert.equal((await retrain()).outcome, 'unchanged');
  });

  describe('whose models wait for a yes', () => {
    const approval = { author: 'samflow:ann@desk' };
    const labelled = (label: number) => retrain({ ...dataset, labels: [label] }, approval);
    const yes = async () => {
      const waiting = await requireProposal(artifacts, name);
      return approve(artifacts, { name, waiting, by: 'samflow:bob@desk', now: new Date() });
    };

    it('proposes the first and then the better one, and leaves the champion alone', async () => {
      const first = await retrain(dataset, approval);
      assert.deepEqual([first.outcome, first.champion], ['proposed', null]);
      assert.match(first.reason, /It waits for a yes: samflow promote small$/);
      assert.equal(await store.head(CHAMPION), null);
      assert.equal((await retrain(dataset, approval)).outcome, 'unchanged');
      await yes();
      const served = await champion();
      dice = 0.7;
      const better = await labelled(2);
      assert.deepEqual([better.outcome, better.champion, better.challenger], ['proposed', 0.5, 0.7]);
      assert.deepEqual(await champion(), served);
      await yes();
      const { run, promotion } = await champion();
      assert.equal(run, better.run);
      assert.deepEqual([promotion?.author, promotion?.by], [approval.author, 'samflow:bob@desk']);
    });

    it('measures who waits again where another has become champion since', async () => {
      await retrain(dataset, approval);
      assert.equal((await retrain(dataset, approval)).outcome, 'unchanged');
      const other = await trained('theirs', 0.4);
      const { seen } = (await artifacts.readPointer(candidateKey(name), Candidate))!.value;
      await artifacts.writePointer(CHAMPION, { package: other.package, run: 'theirs', seen }, null);
      await assertRejectsWithFault(yes(), 'PROMOTION_OUTDATED');
      const again = await retrain(dataset, approval);
      assert.deepEqual([again.outcome, again.champion, again.challenger], ['proposed', 0.4, 0.5]);
      await yes();
      assert.equal((await champion()).run, again.run);
      assert.equal((await retrain(dataset, approval)).outcome, 'unchanged');
    });

    it('keeps who waits while others are no better than the champion, and not when the champion has changed', async () => {
      await retrain(dataset, approval);
      await yes();
      dice = 0.7;
      const better = await labelled(2);
      dice = 0.4;
      assert.equal((await labelled(3)).outcome, 'kept');
      assert.equal((await requireProposal(artifacts, name)).proposal.run, better.run);
      await yes();
      assert.equal((await labelled(4)).outcome, 'kept');
      await assertRejectsWithFault(requireProposal(artifacts, name), 'PROMOTION_NONE', /no candidate/);
    });
  });
});
