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
    assert.deepEqual(await artifacts.get(second.last!.checkpoint), new Uint8Array(bytes(40)));
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
