import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { Account } from '../../cli/resume-proof/account.ts';
import { KILLED_STAGES, planKills } from '../../cli/resume-proof/kills.ts';
import { differences, lossesOf, type Proof } from '../../cli/resume-proof/prove.ts';
import { proofJson, renderProof } from '../../cli/resume-proof/text.ts';
import { wholeNumber } from '../../cli/resume-proof/with-proof.ts';

const link = (step: number, sha256 = `${step}`, epochs = 0) => ({
  ...{ step, epochs, parent: null, parentSha256: null, fence: 1 },
  checkpoint: { kind: 'checkpoint', key: `cas/sha256/${sha256}`, sha256, bytes: 1 },
});
const ACCOUNT: Account = {
  digests: { weights: 'a'.repeat(64), report: 'b'.repeat(64) },
  metrics: { zeroShot: { dice: 0, iou: 0 }, fineTuned: { dice: 0, iou: 0 } },
  steps: 10,
  chain: [link(5), link(10)],
  violations: [],
};

describe('the kills of a proof', () => {
  it('follow from the seed, come in the order of the flow, and one is always in the training', () => {
    for (let seed = 0; seed < 50; seed++) {
      const plan = planKills(6, 2, seed);
      assert.deepEqual(planKills(6, 2, seed), plan);
      const places = plan.map(({ stage, share }) => KILLED_STAGES.indexOf(stage) + share);
      assert.deepEqual(
        [...places].sort((a, b) => a - b),
        places,
      );
      assert.ok(plan.some(({ stage, signal, early }) => stage === 'fine-tune' && signal === 'SIGKILL' && !early));
      assert.equal(plan.filter(({ signal }) => signal === 'SIGTERM').length, 2);
    }
    assert.notDeepEqual(planKills(6, 2, 1), planKills(6, 2, 2));
  });
});

describe('the comparison of a proof', () => {
  it('finds nothing where both made the same, also where the killed one has kept more steps', () => {
    assert.deepEqual(differences(ACCOUNT, ACCOUNT), []);
    assert.deepEqual(differences(ACCOUNT, { ...ACCOUNT, chain: [link(5), link(7), link(10)] }), []);
  });

  const CASES: [what: string, killed: Partial<Account>, sentence: RegExp][] = [
    ['weights', { digests: { ...ACCOUNT.digests, weights: 'c'.repeat(64) } }, /^weights: another digest/],
    ['a part that is missing', { digests: { weights: 'a'.repeat(64) } }, /^report: another digest/],
    ['a checkpoint', { chain: [link(5), link(10, 'x')] }, /^the checkpoint of step 10 differs/],
    ['a step that is missing', { chain: [link(10)] }, /^no checkpoint of step 5/],
    ['a broken chain', { violations: ['step 10 goes on from 3'] }, /^step 10 goes on from 3/],
  ];
  for (const [what, killed, sentence] of CASES) {
    it(`finds ${what}`, () => {
      const found = differences(ACCOUNT, { ...ACCOUNT, ...killed });
      assert.equal(found.length, 1);
      assert.match(found[0]!, sentence);
    });
  }
});

describe('what an end may cost', () => {
  const made = { signal: 'SIGKILL', stage: 'fine-tune', heard: 17, kept: 10, ms: 1, code: null } as const;
  it('is the steps since a checkpoint, and of one more interval, where the worker is killed', () => {
    assert.deepEqual(lossesOf(made, 5), []);
    assert.match(lossesOf({ ...made, heard: 21 }, 5)[0]!, /killed at step 21 left 10: more than 10 steps lost/);
    assert.deepEqual(lossesOf({ ...made, stage: 'encode', heard: null, kept: null }, 5), []);
  });

  it('is nothing where it is told to end', () => {
    assert.match(lossesOf({ ...made, signal: 'SIGTERM', code: 0 }, 5)[0]!, /told to end at step 17 left 10/);
  });
});

describe('the text of a proof', () => {
  const proof: Proof = {
    ...{ seed: 7, untouched: ACCOUNT, killed: ACCOUNT, missed: 0, violations: [] },
    made: [{ signal: 'SIGKILL', stage: 'fine-tune', heard: 5, kept: 5, ms: 10, code: null }],
  };

  it('is a table of digests with the seed, and says that nothing differs', () => {
    const text = stripVTControlCharacters(renderProof(proof));
    assert.match(text, /weights .* a{16} .* a{16} .* same/);
    assert.match(text, /1 kills and 0 orders to end; 1 in fine-tune; seed 7\./);
    assert.match(text, /the same, bit by bit\.$/);
    assert.equal(JSON.parse(proofJson(proof)).proved, true);
  });

  it('says what differs', () => {
    const killed = { ...ACCOUNT, digests: { ...ACCOUNT.digests, weights: 'c'.repeat(64) } };
    const broken = { ...proof, killed, violations: differences(ACCOUNT, killed) };
    const text = stripVTControlCharacters(renderProof(broken));
    assert.match(text, /weights .* a{16} .* c{16} .* differs/);
    assert.match(text, /✗ weights: another digest than the untouched run’s$/);
    assert.equal(JSON.parse(proofJson(broken)).proved, false);
  });

  it('takes whole numbers only', () => {
    assert.equal(wholeNumber('--kills', '50'), 50);
    for (const text of ['', '-1', '2.5', 'many', '0']) {
      assert.throws(() => wholeNumber('--kills', text, 1), { code: 'USAGE' });
    }
  });
});
