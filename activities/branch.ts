import type { ArtifactRef } from '../contracts/artifact.ts';
import { BRANCH_SETTINGS, type Branch } from '../contracts/branch.ts';
import { differencesOf } from '../lib/artifacts/differences.ts';
import { chainKey, type MemoIdentity, memoKey } from '../lib/artifacts/keys.ts';
import { artifactRefsIn, type Manifest, readManifest } from '../lib/artifacts/manifest.ts';
import type { ObjectStore } from '../lib/artifacts/store.ts';
import { plannedTraining } from '../lib/artifacts/training-steps.ts';
import { Fault } from '../lib/fault.ts';
import { readCheckpointProgress } from '../lib/training/checkpoint.ts';

/**
 * The checkpoint that a branch starts with. The training must be the other one's but for what a branch may change: then
 * the checkpoint means here what it meant there.
 * @throws Fault BRANCH_DIFFERS, BRANCH_EPOCH
 */
export async function branchCheckpoint(
  { of, epoch }: Branch,
  identity: MemoIdentity,
  store: ObjectStore,
): Promise<ArtifactRef> {
  const object = await store.get(of);
  const parent = object && readManifest(object.bytes, of);
  if (!parent) throw noCheckpoint(epoch, 'nothing of the training that it should branch from');
  checkAlike(parent, identity);
  const checkpoint = await atEndOf(epoch, chainKey(memoKey(plannedTraining(parent)), parent.made?.token), store);
  if (!checkpoint) throw noCheckpoint(epoch, 'no checkpoint of it at the end of this epoch');
  return checkpoint;
}

function checkAlike(parent: Manifest, { version, parameters, inputs }: MemoIdentity): void {
  const { branch, until, ...theirs } = parent.parameters as { branch?: unknown; until?: unknown };
  const free = new Set(BRANCH_SETTINGS.map((name) => `training.${name}`));
  const [difference] = differencesOf(theirs, parameters).filter(({ path }) => !free.has(path));
  const sameData = inputs.join() === parent.inputs.join();
  if (!difference && sameData && version === parent.version) return;
  throw new Fault('BRANCH_DIFFERS', {
    at: difference?.path ?? 'fine-tune',
    found: difference || sameData ? 'another training' : 'other data or another model',
    expected: 'what the training has that the branch goes on from',
    fix: 'Leave --at-epoch out: train from the beginning',
  });
}

/** The newest checkpoint of so many whole epochs and no step more. Steps are in order, so half of them are left out at a time. */
async function atEndOf(epoch: number, chain: string, store: ObjectStore): Promise<ArtifactRef | null> {
  const steps: string[] = [];
  for await (const { key } of store.list(`runs/${chain}/steps/`)) steps.push(key);
  let [from, to] = [0, steps.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    const found = await readStep(steps[middle]!, store);
    if (!found) {
      // Gone or damaged: no step like any other.
      steps.splice(middle, 1);
      to -= 1;
    } else if (found.epochs < epoch) from = middle + 1;
    else to = middle;
  }
  const at = steps[from];
  const first = at === undefined ? null : await readStep(at, store);
  return first?.epochs === epoch && first.isEnd ? first.checkpoint : null;
}

async function readStep(
  key: string,
  store: ObjectStore,
): Promise<{ checkpoint: ArtifactRef; epochs: number; isEnd: boolean } | null> {
  const object = await store.get(key);
  const [checkpoint] = object ? artifactRefsIn(JSON.parse(Buffer.from(object.bytes).toString('utf8'))) : [];
  if (!checkpoint || (await store.head(checkpoint.key))?.bytes !== checkpoint.bytes) return null;
  const read = async (from: number, to: number) => (await store.get(checkpoint.key, { from, to }))!.bytes;
  const { epochs, epochLoss } = await readCheckpointProgress(read, checkpoint.bytes);
  return { checkpoint, epochs: epochs.length, isEnd: epochLoss === 0 };
}

function noCheckpoint(epoch: number, found: string): Fault {
  return new Fault('BRANCH_EPOCH', {
    at: `--at-epoch ${epoch}`,
    found,
    expected: 'a whole checkpoint in the store',
    fix: 'Choose another epoch, or leave --at-epoch out: train from the beginning',
  });
}
