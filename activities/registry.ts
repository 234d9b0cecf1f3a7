import { ApplicationFailure } from '@temporalio/common';
import { FAILURES } from '../contracts/failure-codes.ts';
import { failureKey, lineageKey } from '../contracts/lineage.ts';
import {
  Candidate,
  Champion,
  ModelPackage,
  PromoteInput,
  type PromoteResult,
  ProposeInput,
  ReadChampionInput,
  type ReadChampionResult,
  RecordRunInput,
} from '../contracts/stages.ts';
import { canonicalJson } from '../lib/artifacts/canonical-json.ts';
import { candidateKey, championKey, sha256Hex } from '../lib/artifacts/keys.ts';
import type { Schema } from '../lib/artifacts/memo.ts';
import { digestOfProposal } from '../lib/artifacts/promotion.ts';
import { PreconditionFailed } from '../lib/artifacts/store.ts';
import { activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';

export const createReadChampion = ({ artifacts }: ActivityDeps) =>
  activity(ReadChampionInput, async ({ name, settings, candidate }): Promise<ReadChampionResult> => {
    const pointer = await artifacts.readPointer(championKey(name), Champion);
    return {
      ...(candidate && { candidate: await artifacts.readPointer(candidateKey(name), Candidate) }),
      champion: pointer?.value ?? null,
      model: pointer && (await artifacts.getJson(pointer.value.package, ModelPackage)),
      etag: pointer?.etag ?? null,
      settings: sha256Hex(canonicalJson(settings)),
    };
  });

/** Moves a pointer, if it still stands where the comparison began. Where not, only another comparison helps, not another attempt. */
async function move<T>(
  artifacts: ActivityDeps['artifacts'],
  key: string,
  schema: Schema<T>,
  value: T,
  etag: string | null,
): Promise<PromoteResult> {
  try {
    return await artifacts.writePointer(key, value, etag);
  } catch (error) {
    if (!(error instanceof PreconditionFailed)) throw error;
    // Perhaps by ourselves: an attempt whose acknowledgement was lost.
    const now = await artifacts.readPointer(key, schema);
    if (now && canonicalJson(now.value) === canonicalJson(value)) return { etag: now.etag };
    throw ApplicationFailure.create({
      message: `${key.replace(/\/\w+\.json$/, '')}: found another champion than before the comparison. Run it again. [${FAILURES.championChanged}]`,
      type: FAILURES.championChanged,
      nonRetryable: true,
    });
  }
}

export const createPromote = ({ artifacts }: ActivityDeps) =>
  activity(PromoteInput, ({ name, champion, etag }) => move(artifacts, championKey(name), Champion, champion, etag));

/** Puts a challenger where somebody can say yes to it, under a digest of what it is and how it scored. */
export const createPropose = ({ artifacts }: ActivityDeps) =>
  activity(ProposeInput, ({ name, candidate: { seen, proposal }, etag }) => {
    const signed = proposal && { ...proposal, metrics: digestOfProposal(proposal) };
    return move(artifacts, candidateKey(name), Candidate, { seen, proposal: signed }, etag);
  });

/** Where the store keeps what a run gave; Temporal forgets it after its retention. */
export const createRecordRun = ({ artifacts }: ActivityDeps) =>
  activity(RecordRunInput, async ({ run, result, lineage, failure }): Promise<void> => {
    const write = async (key: string, value: unknown): Promise<void> => {
      if (value === undefined) return;
      const present = await artifacts.readPointer(key, RecordRunInput.shape.result);
      await artifacts.writePointer(key, value, present?.etag ?? null);
    };
    await write(failureKey(run), failure);
    await write(lineageKey(run), lineage);
    await write(`runs/${run}/result.json`, result);
  });
