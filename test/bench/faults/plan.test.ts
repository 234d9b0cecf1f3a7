import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FAULT_IDS, type Fault, inTurn, type Scene } from '../../../bench/faults/fault.ts';
import { planFaults } from '../../../bench/faults/plan.ts';

const titles = (faults: readonly Fault[]): string[] => faults.map(({ title }) => title);

describe('a plan of faults', () => {
  it('follows from the seed, and has so many of each', () => {
    const plan = planFaults(FAULT_IDS, 6, 7);
    assert.deepEqual(titles(planFaults(FAULT_IDS, 6, 7)), titles(plan));
    assert.notDeepEqual(titles(planFaults(FAULT_IDS, 6, 8)), titles(plan));
    for (const id of FAULT_IDS) assert.equal(plan.filter((fault) => fault.id === id).length, 6, id);
  });

  it('does a fault in all of its ways before it does one again', () => {
    const [first, ...others] = planFaults(['F7'], 7, 1);
    assert.equal(new Set(titles([first!, ...others.slice(0, 5)])).size, 6);
    assert.equal(others[5]!.title, first!.title);
  });
});

describe('faults in turn', () => {
  const fault = (title: string, order: string[], why: string | null = null): Fault => ({
    ...{ id: 'F7', title, within: 10, retries: 1, impossible: () => why },
    disturb: async () => void order.push(title),
  });

  it('are one fault, with the bounds of all', async () => {
    const order: string[] = [];
    const both = inTurn([fault('a', order), fault('b', order)]);
    await both.disturb({} as Scene);
    assert.deepEqual([order, both.within, both.retries, both.impossible?.()], [['a', 'b'], 20, 2, null]);
  });

  it('cannot be where one of them cannot', () => {
    assert.equal(inTurn([fault('a', []), fault('b', [], 'no disk')]).impossible?.(), 'no disk');
  });
});
