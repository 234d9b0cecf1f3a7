import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rerunInput } from '../../cli/rerun-input.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import { assertFault } from '../helpers/faults.ts';
import { SCANS, tinyRun } from '../helpers/tiny-pipeline.ts';

const lineage = await tinyRun('lungs', { scans: SCANS }, new MemoryStore());
const { input: recorded } = lineage;
const of = lineage.uses.find(({ key }) => key.includes('/fine-tune/'))!.key;

describe('the input of a rerun', () => {
  it('is that of the run, with what is set in its place, under an id that follows from both', () => {
    const set = ['training.learningRate=0.01', 'evaluation.seed=3'];
    const { id, input } = rerunInput('lungs', lineage, { set });
    const { training, evaluation, ...rest } = recorded.settings;
    assert.deepEqual(input, {
      ...recorded,
      settings: { ...rest, training: { ...training, learningRate: 0.01 }, evaluation: { ...evaluation, seed: 3 } },
    });
    assert.equal(rerunInput('lungs', lineage, { set }).id, id);
    assert.notEqual(rerunInput('lungs', lineage, {}).id, id);
    assert.match(id, /^lungs-[0-9a-f]{12}$/);
  });

  it('works again from a stage on under a token of its own, and the id stays the same', () => {
    const [first, second] = [
      rerunInput('lungs', lineage, { from: 'encode' }),
      rerunInput('lungs', lineage, { from: 'encode' }),
    ];
    assert.equal(first.input.fresh?.from, 'encode');
    assert.notEqual(first.input.fresh?.token, second.input.fresh?.token);
    assert.equal(first.id, second.id);
  });

  it('names the training that it branches from, and needs no token then', () => {
    const { input } = rerunInput('lungs', lineage, { from: 'fine-tune', atEpoch: 7 });
    assert.deepEqual([input.branch, input.fresh], [{ of, epoch: 7 }, undefined]);
  });

  it('of a branch is of the same branch, unless another one is asked for', () => {
    const branch = { of, epoch: 3 };
    const branched = { ...lineage, input: { ...recorded, branch, fresh: { from: 'report', token: '' } as never } };
    const { input } = rerunInput('branch', branched, {});
    assert.deepEqual([input.branch, input.fresh], [branch, undefined]);
    assert.equal(rerunInput('branch', branched, { atEpoch: 5 }).input.branch?.epoch, 5);
  });

  const epochs = recorded.settings.training.epochs;
  const REFUSED: [claim: string, options: Parameters<typeof rerunInput>[2], code: string, message: RegExp][] = [
    ['an unknown key', { set: ['training.rate=1'] }, 'CONFIG', /training\.rate/],
    ['another data set', { set: ['dataset.target=liver'] }, 'CONFIG', /dataset/],
    ['another loss in a branch', { atEpoch: 1, set: ['training.loss=dice'] }, 'BRANCH_DIFFERS', /--set training\.loss/],
    ['other slices in a branch', { atEpoch: 1, set: ['slices.window=bone'] }, 'BRANCH_DIFFERS', /--set slices\.window/],
    ['a branch from elsewhere than the training', { atEpoch: 1, from: 'encode' }, 'USAGE', /--at-epoch/],
    ['a branch after the last epoch', { atEpoch: epochs }, 'USAGE', /training\.epochs/],
  ];
  for (const [claim, options, code, message] of REFUSED) {
    it(`is refused with ${claim}`, () => {
      assertFault(() => rerunInput('lungs', lineage, options), code, message);
    });
  }
});
