import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { ArtifactRef } from '../contracts/artifact.ts';
import type { ArtifactStore } from '../lib/artifacts/artifact-store.ts';
import { type ObjectStore, PreconditionFailed } from '../lib/artifacts/store.ts';
import { FencedOut } from './failures.ts';

/**
 * The checkpoints of one training, as a chain in the store that two attempts cannot both extend:
 *
 *     runs/<key>/steps/<step>.json   written once: the checkpoint after so many steps, the step before it, the writer's fence
 *     runs/<key>/head.json           the last step that counts and the fence; changes by If-Match only
 *
 * An attempt begins by raising the fence. An older attempt that is still alive (its worker hung, or lost the network) then
 * finds another head than the one it knows and is fenced out: whatever it still writes is not in the chain.
 */
const Step = z.strictObject({
  step: z.int().nonnegative(),
  /** Step of the checkpoint that this one goes on from; null for the first. */
  parent: z.int().nonnegative().nullable(),
  fence: z.int().positive(),
  checkpoint: ArtifactRef,
});
type Step = z.infer<typeof Step>;
const Head = z.strictObject({
  fence: z.int().positive(),
  /** Random, one for each attempt: two that start together write heads of one fence, and only one of them wins. */
  holder: z.uuid(),
  last: Step.nullable(),
});
type Head = z.infer<typeof Head>;

export interface CheckpointChain {
  /** Where to go on; null at the very beginning. */
  readonly last: Step | null;
  /** Appends a checkpoint. @throws FencedOut when another attempt has taken over */
  commit(step: number, checkpoint: Uint8Array): Promise<ArtifactRef>;
}

/** Takes over the chain under `key` (hex): reads where it ends and fences out every attempt before this one. */
export async function openCheckpointChain(
  { artifacts, store }: { artifacts: ArtifactStore; store: ObjectStore },
  key: string,
): Promise<CheckpointChain> {
  const headKey = `runs/${key}/head.json`;
  const stepKey = (step: number): string => `runs/${key}/steps/${String(step).padStart(9, '0')}.json`;

  const found = await artifacts.readPointer<Head>(headKey, Head);
  let head: Head = {
    fence: (found?.value.fence ?? 0) + 1,
    holder: randomUUID(),
    last: found?.value.last ?? null,
  };
  let { etag } = await move(head, found?.etag ?? null);
  // Now nobody else moves the head. A step that was written while its writer died before moving it counts all the same.
  const forward = await successor(head.last);
  if (forward) {
    head = { ...head, last: forward };
    ({ etag } = await move(head, etag));
  }

  async function move(to: Head, from: string | null): Promise<{ etag: string }> {
    try {
      return await artifacts.writePointer(headKey, to, from);
    } catch (error) {
      if (!(error instanceof PreconditionFailed)) throw error;
      // The acknowledgement of our own write may have been lost: then the head is what we wanted.
      const now = await artifacts.readPointer<Head>(headKey, Head);
      if (now && same(now.value, to)) return now;
      throw new FencedOut(`${headKey}: another attempt has taken over`, { cause: error });
    }
  }

  /** The step that was written after `last`, followed to the end of the chain. */
  async function successor(last: Step | null): Promise<Step | null> {
    let end = last;
    for await (const { key: found } of store.list(`runs/${key}/steps/`)) {
      const step = (await artifacts.readPointer<Step>(found, Step))?.value;
      if (step && step.parent === (end?.step ?? null) && (await artifacts.has(step.checkpoint))) end = step;
    }
    return end === last ? null : end;
  }

  async function write(step: Step): Promise<void> {
    try {
      await artifacts.writePointer(stepKey(step.step), step, null);
    } catch (error) {
      if (!(error instanceof PreconditionFailed)) throw error;
      // Written before, by us (a lost acknowledgement) or by the attempt before us. Training is deterministic, so the bytes
      // are the same; where they are not, the one that is written stands, and the next attempt goes on from it.
      const present = await artifacts.readPointer<Step>(stepKey(step.step), Step);
      if (present?.value.checkpoint.sha256 === step.checkpoint.sha256) return;
      throw new FencedOut(`${stepKey(step.step)}: another attempt has written this step`, { cause: error });
    }
  }

  return {
    last: head.last,
    async commit(number, bytes) {
      const checkpoint = await artifacts.put('checkpoint', bytes);
      const step: Step = { step: number, parent: head.last?.step ?? null, fence: head.fence, checkpoint };
      await write(step);
      const next: Head = { ...head, last: step };
      ({ etag } = await move(next, etag));
      head = next;
      return checkpoint;
    },
  };
}

const same = (a: Head, b: Head): boolean => a.holder === b.holder && a.last?.step === b.last?.step;
