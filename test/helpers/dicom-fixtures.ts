import { readFileSync } from 'node:fs';

/** Synthetic files of test/fixtures/dicom/make.py, with a name, a number and dates in their headers. */
const FOLDER = new URL('../fixtures/dicom/', import.meta.url);

export const readDicomFixture = (name: string) => ({
  name,
  bytes: new Uint8Array(readFileSync(new URL(name, FOLDER))),
});

/** Rescaled values of each file, slice after slice, columns fastest. */
export const DICOM_VALUES: Record<string, number[]> = JSON.parse(readFileSync(new URL('values.json', FOLDER), 'utf8'));

/** What of those headers may never come out. */
export const DICOM_IDENTITY = /doe\^|jane|mrn-4711|19700102|20210304/i;
