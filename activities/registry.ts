import { ApplicationFailure } from '@temporalio/common';
import { FAILURES } from '../contracts/failure-codes.ts';
import { failureKey, lineageKey } from '../contracts/lineage.ts';
import {
  Champion,
  ModelPackage,
  PromoteInput,
  type PromoteResult,
  ReadChampionInput,
  type ReadChampionResult,
  RecordRunInput,
} from '../contracts/stages.ts';
import { canonicalJson } from '../lib/artifacts/canonical-json.ts';
import { sha256Hex } from '../lib/artifacts/keys.ts';
import { PreconditionFailed } from '../lib/artifacts/store.ts';
import { activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';

const championKey = (name: string): string => `models/${name}/champion.json`;

export const createReadChampion = ({ artifacts }: ActivityDeps) =>
  activity(ReadChampionInput, async ({ name, settings }): Promise<ReadChampionResult> => {
    const pointer = await artifacts.readPointer(championKey(name), Champion);
    return {
      champion: pointer?.value ?? null,
      model: pointer && (await artifacts.getJson(pointer.value.package, ModelPackage)),
      etag: pointer?.etag ?? null,
      settings: sha256Hex(canonicalJson(settings)),
    };
  });

/** Moves the pointer, if it still stands where the comparison began. Where not, only another comparison helps, not another attempt. */
export const createPromote = ({ artifacts }: ActivityDeps) =>
  activity(PromoteInput, async ({ name, champion, etag }): Promise<PromoteResult> => {
    try {
      return await artifacts.writePointer(championKey(name), champion, etag);
    } catch (error) {
      if (!(error instanceof PreconditionFailed)) throw error;
      // Perhaps by ourselves: an attempt whose acknowledgement was lost.
      const now = await artifacts.readPointer(championKey(name), Champion);
      if (now && canonicalJson(now.value) === canonicalJson(champion)) return { etag: now.etag };
      throw ApplicationFailure.create({
        message: `models/${name}: found another champion than before the comparison. Run it again. [${FAILURES.championChanged}]`,
        type: FAILURES.championChanged,
        nonRetryable: true,
      });
    }
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
