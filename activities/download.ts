import { basename } from 'node:path';
import { z } from 'zod';
import { ArtifactRef } from '../contracts/artifact.ts';
import { DatasetSpec, DownloadInput, DownloadResult, type PatientFiles } from '../contracts/stages.ts';
import { pairPatients } from '../lib/dataset/pairing.ts';
import { patientKey, uniquePatientKeys } from '../lib/dataset/patient-key.ts';
import { licenceText } from '../lib/dataset/sources/licence.ts';
import { openSource } from '../lib/dataset/sources/open.ts';
import type { SourceListing } from '../lib/dataset/sources/source.ts';
import { Fault } from '../lib/fault.ts';
import { type Attempt, activity } from './activity.ts';
import type { ActivityDeps } from './deps.ts';

const VERSION = 2;
/** What the memo keeps: the result, and every file by itself, so that one that is gone is fetched again. */
const Result = DownloadResult.omit({ reused: true, seconds: true }).extend({
  /** Empty in manifests of older versions. */
  stored: z.array(ArtifactRef).default([]),
});
type Result = z.infer<typeof Result>;

/**
 * Brings the source's files into the store, patient by patient, under pseudonyms. Which file belongs to whom is said only
 * inside the `patient-files` artifacts; the result names keys.
 */
export const createDownload = (deps: ActivityDeps) =>
  activity(DownloadInput, async ({ spec }, attempt): Promise<DownloadResult> => {
    const secret = deps.patientKey ?? missingSecret();
    const { source, dataset } = await deps.artifacts.getJson(spec, DatasetSpec);
    const listing = await openSource(source, { cacheDir: deps.cacheDir, signal: attempt.signal, access: deps.sources });
    try {
      const { value, ...outcome } = await deps.artifacts.memo<Result>({
        stage: 'download',
        version: VERSION,
        // Another secret gives other keys, so it is part of the identity; it shows itself as the pseudonym of a fixed word.
        parameters: { fingerprint: listing.fingerprint, secret: patientKey(secret, 'samflow') },
        inputs: [spec.sha256],
        schema: Result,
        compute: () => store(listing, dataset, secret, deps, attempt),
        signal: attempt.signal,
        by: attempt.by,
      });
      const { stored, ...result } = value;
      return { ...result, ...outcome };
    } finally {
      await listing.close();
    }
  });

async function store(
  listing: SourceListing,
  dataset: DatasetSpec['dataset'],
  secret: string,
  { artifacts }: ActivityDeps,
  { signal, report }: Attempt,
): Promise<Result> {
  const pairs = pairPatients(listing.files, dataset);
  const keys = uniquePatientKeys(
    secret,
    pairs.map(({ id }) => id),
  );
  const tally = { files: 0, bytes: 0 };
  const stored: Result['stored'] = [];
  const put = async (path: string, kind: string) => {
    signal.throwIfAborted();
    const bytes = await listing.read(path);
    tally.files += 1;
    tally.bytes += bytes.length;
    report(tally);
    const ref = await artifacts.put(kind, bytes);
    stored.push(ref);
    return { name: basename(path), path, ref };
  };
  const patients: Result['patients'] = [];
  for (const [index, pair] of pairs.entries()) {
    const patient = keys[index]!;
    const image: PatientFiles['image'] = [];
    for (const path of pair.image) image.push(await put(path, 'scan'));
    const mask = await put(pair.mask, 'mask');
    const files = await artifacts.putJson('patient-files', { patient, image, mask, labels: pair.labels });
    patients.push({ patient, files, split: pair.split ?? null });
  }
  const licence = await licenceText(listing, signal);
  const kept =
    licence === null ? null : await artifacts.put('licence', Buffer.from(licence), 'text/plain; charset=utf-8');
  if (kept) stored.push(kept);
  return { patients, fingerprint: listing.fingerprint, ...tally, licence: kept, stored };
}

function missingSecret(): never {
  throw new Fault('PATIENT_KEY_SECRET', {
    at: 'SAMFLOW_PATIENT_KEY',
    found: 'nothing',
    expected: 'the key of the patients’ pseudonyms',
    fix: 'Set it for every worker of the io pool, the same for all',
  });
}
