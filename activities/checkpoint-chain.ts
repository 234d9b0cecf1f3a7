import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { ArtifactRef } from '../contracts/artifact.ts';
import type { ArtifactStore } from '../lib/artifacts/artifact-store.ts';
import { type ObjectStore, PreconditionFailed } from '../lib/artifacts/store.ts';
import { isFault } from '../lib/fault.ts';
import { FencedOut } from './failures.ts';

/**
 * The checkpoints of one training, as a chain in the store that two attempts cannot both extend:
 *
 *     runs/<key>/steps/<step>.json   written once: the checkpoint after so many steps, the step before it, the writer's fence
 *     runs/<key>/head.json           the step that was written last and the fence; changes by If-Match only
 *
 * An attempt begins by raising the fence. An older attempt that is still alive (its worker hung, or lost the network) then
 * finds another head than the one it knows and is fenced out: it writes one step more at most.
 *
 * It goes on from the newest step whose checkpoint is whole, whatever the head says: a writer may have died between a step and
 * the head, and a checkpoint may be lost or damaged. Training is deterministic, so what is lost is made again to the same bits.
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
  /** Where to go on, and that checkpoint's verified bytes; null at the very beginning. */
  readonly last: { readonly step: number; readonly checkpoint: ArtifactRef; readonly bytes: Uint8Array } | null;
  /** Appends a checkpoint. @throws FencedOut when another attempt has taken over */
  commit(step: number, checkpoint: Uint8Array): Promise<ArtifactRef>;
}

/** Takes over the chain under `key` (hex): fences out every attempt before this one and reads where to go on. */
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
  const last = await newest();
  head = { ...head, last: last?.written ?? null };

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

  async function newest(): Promise<{ written: Step; bytes: Uint8Array } | null> {
    const keys: string[] = [];
    for await (const { key: found } of store.list(`runs/${key}/steps/`)) keys.push(found);
    for (const found of keys.reverse()) {
      const written = (await readStep(found))?.step;
      const bytes = written && (await wholeBytes(written.checkpoint));
      if (bytes) return { written, bytes };
    }
    return null;
  }

  /** `step` is null where the file is damaged. */
  async function readStep(at: string): Promise<{ step: Step | null; etag: string } | null> {
    const object = await store.get(at);
    return object && { step: parseStep(object.bytes), etag: object.etag };
  }

  /** Null where they are gone or damaged. */
  async function wholeBytes(checkpoint: ArtifactRef): Promise<Uint8Array | null> {
    try {
      return await artifacts.get(checkpoint);
    } catch (error) {
      if (isFault(error) && LOST.has(error.code)) return null;
      throw error;
    }
  }

  async function write(step: Step): Promise<void> {
    const at = stepKey(step.step);
    try {
      await artifacts.writePointer(at, step, null);
    } catch (error) {
      if (!(error instanceof PreconditionFailed)) throw error;
      // Written before, by us (a lost acknowledgement) or by an attempt before us. Training is deterministic, so the bytes
      // are the same; where they are not, the one that is written stands, and the next attempt goes on from it, if it can.
      const present = await readStep(at);
      if (present?.step?.checkpoint.sha256 === step.checkpoint.sha256) return;
      const stands = present?.step && (await wholeBytes(present.step.checkpoint));
      if (stands) throw new FencedOut(`${at}: another attempt has written this step`, { cause: error });
      await artifacts.writePointer(at, step, present?.etag ?? null);
    }
  }

  return {
    last: last && { step: last.written.step, checkpoint: last.written.checkpoint, bytes: last.bytes },
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

/** What `get` says of an artifact that has to be made again. */
const LOST: ReadonlySet<string> = new Set(['ARTIFACT_MISSING', 'ARTIFACT_CORRUPT']);

function parseStep(bytes: Uint8Array): Step | null {
  try {
    return Step.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch {
    return null;
  }
}

const same = (a: Head, b: Head): boolean => a.holder === b.holder && a.last?.step === b.last?.step;
