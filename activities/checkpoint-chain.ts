import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { ArtifactRef } from '../contracts/artifact.ts';
import { ChainStep } from '../contracts/chain.ts';
import type { ArtifactStore } from '../lib/artifacts/artifact-store.ts';
import { canonicalJson } from '../lib/artifacts/canonical-json.ts';
import { sha256Hex } from '../lib/artifacts/keys.ts';
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
 * the head, a checkpoint may be lost or damaged, and so may the head. Training is deterministic, so what is lost is made again
 * to the same bits. Each step names the digest of the one that it goes on from, so whoever holds the last one's can tell
 * whether any before it was changed.
 */
const Head = z.strictObject({
  fence: z.int().positive(),
  /** Random, one for each attempt: two that start together write heads of one fence, and only one of them wins. */
  holder: z.uuid(),
  last: ChainStep.nullable(),
});
type Head = z.infer<typeof Head>;

export interface CheckpointChain {
  /** Where to go on, and that checkpoint's verified bytes; null at the very beginning. */
  readonly last: { readonly step: number; readonly checkpoint: ArtifactRef; readonly bytes: Uint8Array } | null;
  /** Appends a checkpoint of so many whole epochs. @throws FencedOut when another attempt has taken over */
  commit(step: number, checkpoint: Uint8Array, epochs: number): Promise<ArtifactRef>;
}

/** A step as it stands in the store. */
interface Link {
  readonly step: ChainStep;
  /** Of its file. */
  readonly sha256: string;
}

interface Deps {
  readonly artifacts: ArtifactStore;
  readonly store: ObjectStore;
}

/**
 * Takes over the chain under `key` (hex): fences out every attempt before this one and reads where to go on. Checkpoints of
 * more than `until` whole epochs are left alone: a run that was told to go on for longer has written them.
 */
export async function openCheckpointChain(
  { artifacts, store }: Deps,
  key: string,
  until = Number.POSITIVE_INFINITY,
): Promise<CheckpointChain> {
  const headKey = `runs/${key}/head.json`;
  const stepKey = (step: number): string => `${stepsPrefix(key)}${String(step).padStart(9, '0')}.json`;

  const found = await readHead();
  // A head that is lost or damaged takes no fence with it: the steps have theirs.
  const fence = 1 + (found?.head?.fence ?? (await newestFence(store, key)));
  let head: Head = { fence, holder: randomUUID(), last: found?.head?.last ?? null };
  let { etag } = await move(head, found?.etag ?? null);
  const last = await newestWhole({ artifacts, store }, key, until);
  let parent: Link | null = last;
  head = { ...head, last: last?.step ?? null };

  /** `head` is null where the object is damaged: then it is replaced. */
  async function readHead(): Promise<{ head: Head | null; etag: string } | null> {
    const object = await store.get(headKey);
    return object && { head: parsed(Head, object.bytes), etag: object.etag };
  }

  async function move(to: Head, from: string | null): Promise<{ etag: string }> {
    try {
      return await artifacts.writePointer(headKey, to, from);
    } catch (error) {
      if (!(error instanceof PreconditionFailed)) throw error;
      // The acknowledgement of our own write may have been lost: then the head is what we wanted.
      const now = await readHead();
      if (now?.head && same(now.head, to)) return now;
      throw new FencedOut(`${headKey}: another attempt has taken over`, { cause: error });
    }
  }

  /** The step as it stands afterwards. */
  async function write(step: ChainStep): Promise<Link> {
    const at = stepKey(step.step);
    const link = { step, sha256: sha256Hex(canonicalJson(step)) };
    try {
      await artifacts.writePointer(at, step, null);
      return link;
    } catch (error) {
      if (!(error instanceof PreconditionFailed)) throw error;
      // Written before, by us (a lost acknowledgement) or by an attempt before us. Training is deterministic, so the bytes
      // are the same; where they are not, the one that is written stands, and the next attempt goes on from it, if it can.
      const object = await store.get(at);
      const present = object && linkOf(object.bytes);
      if (present?.step.checkpoint.sha256 === step.checkpoint.sha256) return present;
      const stands = present && (await wholeBytes(artifacts, present.step.checkpoint));
      if (stands) throw new FencedOut(`${at}: another attempt has written this step`, { cause: error });
      await artifacts.writePointer(at, step, object?.etag ?? null);
      return link;
    }
  }

  return {
    last: last && { step: last.step.step, checkpoint: last.step.checkpoint, bytes: last.bytes },
    async commit(number, bytes, epochs) {
      const checkpoint = await artifacts.put('checkpoint', bytes);
      const before = { parent: parent?.step.step ?? null, parentSha256: parent?.sha256 ?? null };
      const link = await write({ step: number, epochs, ...before, fence: head.fence, checkpoint });
      const next: Head = { ...head, last: link.step };
      ({ etag } = await move(next, etag));
      [head, parent] = [next, link];
      return checkpoint;
    },
  };
}

/** Whole epochs in the newest whole checkpoint of a chain; 0 where there is none. Fences nobody out. */
export const epochsInChain = async (deps: Deps, key: string): Promise<number> =>
  (await newestWhole(deps, key))?.step.epochs ?? 0;

const stepsPrefix = (key: string): string => `runs/${key}/steps/`;

async function newestWhole(
  { artifacts, store }: Deps,
  key: string,
  until = Number.POSITIVE_INFINITY,
): Promise<(Link & { bytes: Uint8Array }) | null> {
  for await (const link of backwards(store, key)) {
    const bytes = link.step.epochs <= until ? await wholeBytes(artifacts, link.step.checkpoint) : null;
    if (bytes) return { ...link, bytes };
  }
  return null;
}

async function newestFence(store: ObjectStore, key: string): Promise<number> {
  for await (const { step } of backwards(store, key)) return step.fence;
  return 0;
}

/** The steps from the last one back, without those whose files are damaged. */
async function* backwards(store: ObjectStore, key: string): AsyncGenerator<Link> {
  const keys: string[] = [];
  for await (const { key: at } of store.list(stepsPrefix(key))) keys.push(at);
  for (const at of keys.reverse()) {
    const object = await store.get(at);
    const link = object && linkOf(object.bytes);
    if (link) yield link;
  }
}

/** Null where they are gone or damaged. */
async function wholeBytes(artifacts: ArtifactStore, checkpoint: ArtifactRef): Promise<Uint8Array | null> {
  try {
    return await artifacts.get(checkpoint);
  } catch (error) {
    if (isFault(error) && LOST.has(error.code)) return null;
    throw error;
  }
}

/** What `get` says of an artifact that has to be made again. */
const LOST: ReadonlySet<string> = new Set(['ARTIFACT_MISSING', 'ARTIFACT_CORRUPT']);

function linkOf(bytes: Uint8Array): Link | null {
  const step = parsed(ChainStep, bytes);
  return step && { step, sha256: sha256Hex(bytes) };
}

function parsed<T>(schema: z.ZodType<T>, bytes: Uint8Array): T | null {
  try {
    return schema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch {
    return null;
  }
}

const same = (a: Head, b: Head): boolean => a.holder === b.holder && a.last?.step === b.last?.step;
