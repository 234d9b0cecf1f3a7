import { posix } from 'node:path';
import { Fault } from '../fault.ts';
import { type LabelGroups, type LabelSetting, labelGroupsOf } from './label-groups.ts';
import { certainLayout, findLayouts } from './layouts.ts';
import { isNifti, isSeriesFile, matchPatterns } from './patterns.ts';
import type { SplitPart } from './split.ts';

/** As `DatasetConfig` of the run configuration; without patients and pattern the layout is found out. */
export interface DatasetSetting {
  /** What is segmented: a mask may be called after it. */
  readonly target?: string | undefined;
  readonly layout?: 'auto' | undefined;
  readonly patients?:
    | readonly {
        readonly id: string;
        readonly image: string;
        readonly mask: string;
        readonly labels?: LabelSetting | undefined;
        readonly split?: SplitPart | undefined;
      }[]
    | undefined;
  readonly pattern?: { readonly image: string; readonly mask: string } | undefined;
  readonly labels?: LabelSetting | undefined;
}

export interface PairedPatient {
  readonly id: string;
  /** One NIfTI file, or the files of a DICOM folder in name order; relative to the source. */
  readonly image: string[];
  readonly mask: string;
  readonly labels: LabelGroups;
  readonly split: SplitPart | null;
}

/**
 * Finds each patient's files in a listing (relative posix paths), in order of patient id. Every image needs a mask and
 * every mask an image: a patient who vanished quietly would change the split.
 *
 * Faults: NO_PATIENTS, PATIENT_FILE_MISSING, PATIENT_TWICE, DATASET_LAYOUT, DATASET_TOO_LARGE.
 */
export function pairPatients(files: readonly { readonly path: string }[], dataset: DatasetSetting): PairedPatient[] {
  const paths = files.map(({ path }) => path).sort();
  const patients = dataset.patients
    ? pairNamed(paths, dataset.patients, dataset.labels)
    : dataset.pattern
      ? pairByPattern(paths, dataset.pattern, dataset.labels)
      : pairByLayout(paths, dataset);
  if (patients.length > MOST_PATIENTS) {
    throw new Fault('DATASET_TOO_LARGE', {
      at: 'dataset',
      found: `${patients.length} patients`,
      expected: `at most ${MOST_PATIENTS} in one run`,
      fix: 'Divide them into several runs by `dataset.pattern` or `dataset.patients`',
    });
  }
  return patients.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

/** References to what a run makes of each patient (about 1.2 kB) travel in one message, which holds 2 MiB. */
export const MOST_PATIENTS = 1_500;

function pairNamed(
  paths: readonly string[],
  patients: NonNullable<DatasetSetting['patients']>,
  ofAll: DatasetSetting['labels'],
): PairedPatient[] {
  return patients.map(({ id, image, mask, labels = ofAll, split }, index) => {
    const imageFiles = filesAt(paths, image);
    if (imageFiles.length === 0) throw missing(`dataset.patients[${index}].image`, image);
    const maskFiles = filesAt(paths, mask);
    if (maskFiles.length !== 1) throw missing(`dataset.patients[${index}].mask`, mask, maskFiles.length);
    return { id, image: imageFiles, mask: maskFiles[0]!, labels: labelGroupsOf(labels), split: split ?? null };
  });
}

/** The file of this path, or the files in the folder of this path; of a folder with slices and a mask, the slices. */
function filesAt(paths: readonly string[], wanted: string): string[] {
  const path = posix.normalize(wanted).replace(/\/$/, '');
  if (paths.includes(path)) return [path];
  const inFolder = paths.filter((file) => posix.dirname(file) === path && isSeriesFile(file));
  const slices = inFolder.filter((file) => !isNifti(file));
  return slices.length > 0 ? slices : inFolder;
}

function missing(at: string, wanted: string, found = 0): Fault {
  return new Fault('PATIENT_FILE_MISSING', {
    at,
    found: found === 0 ? `nothing named ${posix.basename(wanted)}` : `${found} files in ${posix.basename(wanted)}`,
    expected: at.endsWith('mask') ? 'one NIfTI file or DICOM segmentation' : 'a NIfTI file or a DICOM folder',
    fix: 'Correct the path; it is relative to the source',
  });
}

/** The one layout that explains every scan; a doubt is refused, with what was seen. */
function pairByLayout(paths: readonly string[], { target, labels }: DatasetSetting): PairedPatient[] {
  const certain = certainLayout(paths, findLayouts(paths, target));
  if ('doubt' in certain) {
    throw new Fault('DATASET_LAYOUT', {
      at: 'dataset',
      found: certain.doubt,
      expected: 'one layout that explains every scan',
      fix: 'Run `samflow inspect` on the source, and say what is meant by `dataset.pattern` or `dataset.patients`',
    });
  }
  return certain.layout.patients.map(({ id, image, mask }) => paired(id, image, mask, labels));
}

const paired = (id: string, image: string[], mask: string, labels: LabelSetting | undefined): PairedPatient => ({
  ...{ id, image, mask, labels: labelGroupsOf(labels), split: null },
});

type Pattern = NonNullable<DatasetSetting['pattern']>;

function pairByPattern(paths: readonly string[], pattern: Pattern, labels: DatasetSetting['labels']): PairedPatient[] {
  const { images, masks } = matchPatterns(paths, pattern);
  if (images.size === 0 && masks.size === 0) {
    throw new Fault('NO_PATIENTS', {
      at: 'dataset.pattern',
      found: `none of ${paths.length} files matching ${pattern.image} or ${pattern.mask}`,
      expected: 'an image and a mask for each patient',
      fix: 'Run `samflow inspect` on the source to see what is there',
    });
  }
  refuseSingles(images, masks, pattern);
  return [...images].map(([id, image]) => paired(id, image, masks.get(id)![0]!, labels));
}

function refuseSingles(
  images: ReadonlyMap<string, string[]>,
  masks: ReadonlyMap<string, string[]>,
  pattern: Pattern,
): void {
  const refuse = (path: string, expected: string) => {
    throw new Fault('PATIENT_FILE_MISSING', {
      at: posix.basename(path),
      found: 'no file to go with it',
      expected,
      fix: 'Add the missing file, or list the patients one by one under `dataset.patients`',
    });
  };
  for (const [id, image] of images) {
    if (!masks.has(id)) refuse(image[0]!, `a mask by ${pattern.mask}`);
    // Several files are the slices of a series; NIfTI files are each a scan of its own.
    if (image.length > 1 && image.some(isNifti)) throw twice(image, 'images');
  }
  for (const [id, mask] of masks) {
    if (!images.has(id)) refuse(mask[0]!, `an image by ${pattern.image}`);
    if (mask.length > 1) throw twice(mask, 'masks');
  }
}

function twice(files: readonly string[], what: string): Fault {
  return new Fault('PATIENT_TWICE', {
    at: posix.basename(files[0]!),
    found: `${files.length} ${what} for one patient`,
    expected: 'one',
    fix: 'Make the pattern more exact, or list the patients one by one under `dataset.patients`',
  });
}
