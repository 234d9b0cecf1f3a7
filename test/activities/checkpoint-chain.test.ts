import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { openCheckpointChain } from '../../activities/checkpoint-chain.ts';
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
  const steps = async (): Promise<{ step: number; parent: number | null }[]> => {
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
    for (const step of [20, 40, 45]) await chain.commit(step, bytes(step));
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
    await first.commit(20, bytes(20));
    await first.commit(40, bytes(40));
    const second = await open();
    assert.equal(second.last?.step, 40);
    assert.deepEqual(Buffer.from(second.last!.bytes), bytes(40));
  });

  it('refuses an attempt that was taken over, and the successor goes on unharmed', async () => {
    const zombie = await open();
    await zombie.commit(20, bytes(20));
    const successor = await open();
    await assert.rejects(zombie.commit(40, bytes(40)), { name: 'FencedOut' });
    // The zombie had written the step's file before it was refused; training is deterministic, so it holds the same bytes.
    await successor.commit(40, bytes(40));
    await successor.commit(60, bytes(60));
    assert.equal((await open()).last?.step, 60);
  });

  it('never counts a step of a zombie that computed something else', async () => {
    const zombie = await open();
    await zombie.commit(20, bytes(20));
    const successor = await open();
    await assert.rejects(zombie.commit(40, Buffer.from('other')), { name: 'FencedOut' });
    await assert.rejects(successor.commit(40, bytes(40)), { name: 'FencedOut' });
    assert.equal((await steps()).filter(({ step }) => step === 40).length, 1);
  });

  it('counts a step whose writer died before it could move the head', async () => {
    const first = await open();
    await first.commit(20, bytes(20));
    store.before = (key) => {
      if (key.endsWith('head.json')) throw new Error('killed');
    };
    await assert.rejects(first.commit(40, bytes(40)), /killed/);
    store.before = () => undefined;
    const second = await open();
    assert.equal(second.last?.step, 40);
    await second.commit(60, bytes(60));
    assert.equal((await open()).last?.step, 60);
  });

  it('does not count a step whose checkpoint is not in the store', async () => {
    const first = await open();
    await first.commit(20, bytes(20));
    const checkpoint = { kind: 'checkpoint', key: `cas/sha256/${'0'.repeat(64)}`, sha256: '0'.repeat(64), bytes: 1 };
    await artifacts.writePointer(
      `runs/${KEY}/steps/000000040.json`,
      { step: 40, parent: 20, fence: 1, checkpoint },
      null,
    );
    assert.equal((await open()).last?.step, 20);
  });

  const keep = async (numbers: readonly number[]): Promise<void> => {
    const chain = await open();
    for (const step of numbers) await chain.commit(step, bytes(step));
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
    for (const step of [60, 80, 100]) await chain.commit(step, bytes(step));
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
    for (const step of [20, 40]) await chain.commit(step, bytes(step));
    assert.equal((await open()).last?.step, 40);
  });

  it('does not stop at a step whose file is damaged, and writes that one again', async () => {
    await keep([20, 40]);
    await store.put(`runs/${KEY}/steps/000000040.json`, Buffer.from('{"step":40,'));
    const chain = await open();
    assert.equal(chain.last?.step, 20);
    await chain.commit(40, bytes(40));
    assert.equal((await open()).last?.step, 40);
  });

  it('does not insist on a step whose checkpoint is gone and that is computed otherwise now', async () => {
    await keep([20, 40]);
    store.delete(await keyOf(40));
    await (await open()).commit(40, Buffer.from('other'));
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
    await chain.commit(20, bytes(20));
    store.after = () => undefined;
    await chain.commit(40, bytes(40));
    assert.equal((await open()).last?.step, 40);
  });

  it('lets exactly one of two attempts that start together go on', async () => {
    const chains = await Promise.allSettled([open(), open()]);
    const opened = chains.filter((chain) => chain.status === 'fulfilled').map((chain) => chain.value);
    const commits = await Promise.allSettled(opened.map((chain) => chain.commit(20, bytes(20))));
    assert.equal(commits.filter((commit) => commit.status === 'fulfilled').length, 1);
  });
});
