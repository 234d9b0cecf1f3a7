import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { beforeEach, describe, it } from 'node:test';
import { epochsInChain, openCheckpointChain } from '../../activities/checkpoint-chain.ts';
import type { ChainStep } from '../../contracts/chain.ts';
import { ArtifactStore } from '../../lib/artifacts/artifact-store.ts';
import { MemoryStore } from '../../lib/artifacts/memory-store.ts';
import { PreconditionFailed, type PutOptions } from '../../lib/artifacts/store.ts';

const KEY = 'ab12';
const bytes = (step: number): Uint8Array => Buffer.from(`checkpoint after step ${step}`);

/** A store that breaks where a test says so. */
class BrokenStore extends MemoryStore {
  /** Called before a write; throws to break it. */
  before: (key: string) => void = () => undefined;
  /** Called after a write that was done. */
  after: (key: string) => void = () => undefined;
  override async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<{ etag: string }> {
    this.before(key);
    const done = await super.put(key, body, options);
    this.after(key);
    return done;
  }
}

describe('the chain of checkpoints', () => {
  let store: BrokenStore;
  let artifacts: ArtifactStore;
  const open = () => openCheckpointChain({ artifacts, store }, KEY);
  const steps = async (): Promise<ChainStep[]> => {
    const found = [];
    for await (const { key } of store.list(`runs/${KEY}/steps/`)) {
      found.push(JSON.parse(Buffer.from((await store.get(key))!.bytes).toString()));
    }
    return found;
  };

  beforeEach(() => {
    store = new BrokenStore();
    artifacts = new ArtifactStore(store);
  });

  it('begins empty, and every step names the one before it', async () => {
    const chain = await open();
    assert.equal(chain.last, null);
    for (const step of [20, 40, 45]) await chain.commit(step, bytes(step), 0);
    assert.deepEqual(
      (await steps()).map(({ step, parent }) => [step, parent]),
      [
        [20, null],
        [40, 20],
        [45, 40],
      ],
    );
  });

  it('is gone on with by the next attempt from the last step', async () => {
    const first = await open();
    await first.commit(20, bytes(20), 0);
    await first.commit(40, bytes(40), 0);
    const second = await open();
    assert.equal(second.last?.step, 40);
    assert.deepEqual(Buffer.from(second.last!.bytes), bytes(40));
  });

  it('refuses an attempt that was taken over, and the successor goes on unharmed', async () => {
    const zombie = await open();
    await zombie.commit(20, bytes(20), 0);
    const successor = await open();
    await assert.rejects(zombie.commit(40, bytes(40), 0), { name: 'FencedOut' });
    // The zombie had written the step's file before it was refused; training is deterministic, so it holds the same bytes.
    await successor.commit(40, bytes(40), 0);
    await successor.commit(60, bytes(60), 0);
    assert.equal((await open()).last?.step, 60);
  });

  it('never counts a step of a zombie that computed something else', async () => {
    const zombie = await open();
    await zombie.commit(20, bytes(20), 0);
    const successor = await open();
    await assert.rejects(zombie.commit(40, Buffer.from('other'), 0), { name: 'FencedOut' });
    await assert.rejects(successor.commit(40, bytes(40), 0), { name: 'FencedOut' });
    assert.equal((await steps()).filter(({ step }) => step === 40).length, 1);
  });

  it('counts a step whose writer died before it could move the head', async () => {
    const first = await open();
    await first.commit(20, bytes(20), 0);
    store.before = (key) => {
      if (key.endsWith('head.json')) throw new Error('killed');
    };
    await assert.rejects(first.commit(40, bytes(40), 0), /killed/);
    store.before = () => undefined;
    const second = await open();
    assert.equal(second.last?.step, 40);
    await second.commit(60, bytes(60), 0);
    assert.equal((await open()).last?.step, 60);
  });

  it('does not count a step whose checkpoint is not in the store', async () => {
    const first = await open();
    await first.commit(20, bytes(20), 0);
    const checkpoint = { kind: 'checkpoint', key: `cas/sha256/${'0'.repeat(64)}`, sha256: '0'.repeat(64), bytes: 1 };
    await artifacts.writePointer(
      `runs/${KEY}/steps/000000040.json`,
      { step: 40, epochs: 0, parent: 20, parentSha256: '0'.repeat(64), fence: 1, checkpoint },
      null,
    );
    assert.equal((await open()).last?.step, 20);
  });

  const keep = async (numbers: readonly number[]): Promise<void> => {
    const chain = await open();
    for (const step of numbers) await chain.commit(step, bytes(step), 0);
  };
  const keyOf = async (step: number): Promise<string> => (await artifacts.put('checkpoint', bytes(step))).key;

  it('is gone on with from the newest checkpoint that is whole, where the last ones are gone or damaged', async () => {
    await keep([20, 40, 60, 80]);
    store.delete(await keyOf(80));
    await store.put(await keyOf(60), Buffer.from('of another size'));
    const chain = await open();
    assert.equal(chain.last?.step, 40);
    assert.deepEqual(Buffer.from(chain.last!.bytes), bytes(40));
    // What was lost is made again, and its place is taken.
    for (const step of [60, 80, 100]) await chain.commit(step, bytes(step), 0);
    const { last } = await open();
    assert.deepEqual([last?.step, Buffer.from(last!.bytes)], [100, bytes(100)]);
    store.delete(await keyOf(100));
    assert.equal((await open()).last?.step, 80);
  });

  it('begins anew where no checkpoint is whole', async () => {
    await keep([20, 40]);
    for (const step of [20, 40]) store.delete(await keyOf(step));
    const chain = await open();
    assert.equal(chain.last, null);
    for (const step of [20, 40]) await chain.commit(step, bytes(step), 0);
    assert.equal((await open()).last?.step, 40);
  });

  it('does not stop at a step whose file is damaged, and writes that one again', async () => {
    await keep([20, 40]);
    await store.put(`runs/${KEY}/steps/000000040.json`, Buffer.from('{"step":40,'));
    const chain = await open();
    assert.equal(chain.last?.step, 20);
    await chain.commit(40, bytes(40), 0);
    assert.equal((await open()).last?.step, 40);
  });

  it('does not insist on a step whose checkpoint is gone and that is computed otherwise now', async () => {
    await keep([20, 40]);
    store.delete(await keyOf(40));
    await (await open()).commit(40, Buffer.from('other'), 0);
    const { last } = await open();
    assert.deepEqual([last?.step, Buffer.from(last!.bytes)], [40, Buffer.from('other')]);
  });

  it('survives a write whose acknowledgement was lost', async () => {
    const chain = await open();
    let lost = false;
    // The client repeats a request that it had no answer to, and meets its own object.
    store.after = (key) => {
      if (lost || key.startsWith('cas/')) return;
      lost = key.endsWith('head.json');
      throw new PreconditionFailed(key);
    };
    await chain.commit(20, bytes(20), 0);
    store.after = () => undefined;
    await chain.commit(40, bytes(40), 0);
    assert.equal((await open()).last?.step, 40);
  });

  it('lets exactly one of two attempts that start together go on', async () => {
    const chains = await Promise.allSettled([open(), open()]);
    const opened = chains.filter((chain) => chain.status === 'fulfilled').map((chain) => chain.value);
    const commits = await Promise.allSettled(opened.map((chain) => chain.commit(20, bytes(20), 0)));
    assert.equal(commits.filter((commit) => commit.status === 'fulfilled').length, 1);
  });

  const HEAD = `runs/${KEY}/head.json`;
  const stepFile = (step: number): string => `runs/${KEY}/steps/${String(step).padStart(9, '0')}.json`;
  const cut = async (key: string): Promise<void> => {
    const { bytes: whole } = (await store.get(key))!;
    await store.put(key, whole.subarray(0, whole.length >> 1));
  };
  const flip = async (key: string): Promise<void> => {
    const { bytes: whole } = (await store.get(key))!;
    whole[whole.length >> 1]! ^= 1;
    await store.put(key, whole);
  };
  const lose = async (key: string): Promise<void> => void store.delete(key);
  const empty = (key: string) => store.put(key, new Uint8Array(0));

  const DAMAGE: [what: string, how: (key: string) => Promise<unknown>][] = [
    ['is gone', lose],
    ['was cut off', cut],
    ['has a flipped bit', flip],
    ['is empty', empty],
  ];
  for (const [what, how] of DAMAGE) {
    it(`goes on from the last step where the head ${what}, and older attempts stay fenced out`, async () => {
      const zombie = await open();
      for (const step of [20, 40]) await zombie.commit(step, bytes(step), 0);
      // A flipped bit may leave a head that can be read: then it counts.
      await how(HEAD);
      const successor = await open();
      assert.deepEqual([successor.last?.step, Buffer.from(successor.last!.bytes)], [40, bytes(40)]);
      await assert.rejects(zombie.commit(60, bytes(60), 0), { name: 'FencedOut' });
      await successor.commit(60, bytes(60), 0);
      await successor.commit(80, bytes(80), 0);
      const { last } = await open();
      assert.equal(last?.step, 80);
      const fences = (await steps()).map(({ fence }) => fence);
      assert.deepEqual([...fences].sort(), fences, 'a fence is never lower than one before it');
    });

    it(`goes back to the newest whole checkpoint where the last one ${what}`, async () => {
      await keep([20, 40, 60]);
      await how(await keyOf(60));
      assert.equal((await open()).last?.step, 40);
    });

    it(`goes back to the step before where the last one’s file ${what}, with the head gone too`, async () => {
      await keep([20, 40, 60]);
      await how(stepFile(60));
      await lose(HEAD);
      const chain = await open();
      // What a flipped bit leaves may still name a whole checkpoint.
      assert.ok(chain.last!.step === 40 || (how === flip && chain.last!.step === 60), `${chain.last?.step}`);
      for (const step of [60, 80]) if (step > chain.last!.step) await chain.commit(step, bytes(step), 0);
      assert.equal((await open()).last?.step, 80);
    });
  }

  it('ignores checkpoints that no step names: their writer died half-way', async () => {
    await keep([20]);
    await artifacts.put('checkpoint', bytes(40));
    assert.equal((await open()).last?.step, 20);
  });

  it('names in each step the digest of the one before it, over attempts and steps that were written again', async () => {
    await keep([20, 40]);
    await keep([60]);
    await store.put(stepFile(60), Buffer.from('{'));
    const chain = await open();
    for (const step of [60, 80]) await chain.commit(step, bytes(step), 0);
    let before: string | null = null;
    for (const { step, parentSha256 } of await steps()) {
      assert.equal(parentSha256, before, `step ${step}`);
      before = createHash('sha256')
        .update((await store.get(stepFile(step)))!.bytes)
        .digest('hex');
    }
  });

  it('is gone on with from no checkpoint of more epochs than the training is to have', async () => {
    const longer = await open();
    for (const [epochs, step] of [20, 40, 60].entries()) await longer.commit(step, bytes(step), epochs);
    assert.equal(await epochsInChain({ artifacts, store }, KEY), 2);
    assert.equal((await openCheckpointChain({ artifacts, store }, KEY, 1)).last?.step, 40);
    assert.equal((await open()).last?.step, 60);
  });
});
