import { DatasetSpec, FingerprintInput, type FingerprintResult } from '../contracts/stages.ts';
import { fingerprintSource } from '../lib/dataset/sources/open.ts';
import { activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';

/** Cheap: names, sizes and times of the source, or its ETag. */
export const createFingerprint = ({ artifacts, cacheDir, sources: access }: ActivityDeps) =>
  activity(FingerprintInput, async ({ spec }, { signal }): Promise<FingerprintResult> => {
    const { source } = await artifacts.getJson(spec, DatasetSpec);
    return { fingerprint: await fingerprintSource(source, { cacheDir, signal, access }) };
  });
