import { posix } from 'node:path';
import { Fault } from '../fault.ts';
import type { SplitPart } from './split.ts';

/** As `DatasetConfig` of the run configuration. */
export interface DatasetSetting {
  readonly patients?:
    | readonly {
        readonly id: string;
        readonly image: string;
        readonly mask: string;
        readonly labels?: readonly number[] | undefined;
        readonly split?: SplitPart | undefined;
      }[]
    | undefined;
  readonly pattern?: { readonly image: string; readonly mask: string } | undefined;
  readonly labels?: readonly number[] | undefined;
}

export interface PairedPatient {
  readonly id: string;
  /** One NIfTI file, or the files of a DICOM folder in name order; relative to the source. */
  readonly image: string[];
  readonly mask: string;
  /** Foreground label values; null: every value but zero. */
  readonly labels: number[] | null;
  readonly split: SplitPart | null;
}

/**
 * Finds each patient's files in a listing (relative posix paths), in order of patient id. Every image needs a mask and
 * every mask an image: a patient who vanished quietly would change the split.
 *
 * Faults: NO_PATIENTS, PATIENT_FILE_MISSING, PATIENT_TWICE.
 */
export function pairPatients(files: readonly { readonly path: string }[], dataset: DatasetSetting): PairedPatient[] {
  const paths = files.map(({ path }) => path).sort();
  const patients = dataset.patients ? pairNamed(paths, dataset.patients) : pairByPattern(paths, dataset);
  return patients.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

function pairNamed(paths: readonly string[], patients: NonNullable<DatasetSetting['patients']>): PairedPatient[] {
  return patients.map(({ id, image, mask, labels, split }, index) => {
    const imageFiles = filesAt(paths, image);
    if (imageFiles.length === 0) throw missing(`dataset.patients[${index}].image`, image);
    const maskFiles = filesAt(paths, mask);
    if (maskFiles.length !== 1) throw missing(`dataset.patients[${index}].mask`, mask, maskFiles.length);
    return { id, image: imageFiles, mask: maskFiles[0]!, labels: labels ? [...labels] : null, split: split ?? null };
  });
}

/** The file of this path, or the files in the folder of this path. */
function filesAt(paths: readonly string[], wanted: string): string[] {
  const path = posix.normalize(wanted).replace(/\/$/, '');
  return paths.includes(path) ? [path] : paths.filter((file) => posix.dirname(file) === path && isSeriesFile(file));
}

/** Folders of DICOM series come with an index and with files of the operating system; neither is a slice. */
export function isSeriesFile(path: string): boolean {
  const name = posix.basename(path);
  return !name.startsWith('.') && name.toUpperCase() !== 'DICOMDIR';
}

function missing(at: string, wanted: string, found = 0): Fault {
  return new Fault('PATIENT_FILE_MISSING', {
    at,
    found: found === 0 ? `nothing named ${posix.basename(wanted)}` : `${found} files in ${posix.basename(wanted)}`,
    expected: at.endsWith('mask') ? 'one NIfTI file' : 'a NIfTI file or a DICOM folder',
    fix: 'Correct the path; it is relative to the source',
  });
}

function pairByPattern(paths: readonly string[], { pattern, labels }: DatasetSetting): PairedPatient[] {
  if (!pattern) throw new RangeError('a dataset needs `patients` or `pattern`');
  const masks = matchPattern(paths, pattern.mask);
  const maskPaths = new Set([...masks.values()].flat());
  // `{patient}.nii.gz` would also match `1_mask.nii.gz`: what the mask pattern matches is no image.
  const images = matchPattern(
    paths.filter((path) => !maskPaths.has(path)),
    pattern.image,
  );
  if (images.size === 0 && masks.size === 0) {
    throw new Fault('NO_PATIENTS', {
      at: 'dataset.pattern',
      found: `none of ${paths.length} files matching ${pattern.image} or ${pattern.mask}`,
      expected: 'an image and a mask for each patient',
      fix: 'Run `samflow inspect` on the source to see what is there',
    });
  }
  refuseSingles(images, masks, pattern);
  return [...images].map(([id, image]) => ({
    id,
    image,
    mask: masks.get(id)![0]!,
    labels: labels ? [...labels] : null,
    split: null,
  }));
}

function refuseSingles(
  images: ReadonlyMap<string, string[]>,
  masks: ReadonlyMap<string, string[]>,
  pattern: { image: string; mask: string },
): void {
  const refuse = (path: string, expected: string) => {
    throw new Fault('PATIENT_FILE_MISSING', {
      at: posix.basename(path),
      found: 'no file to go with it',
      expected,
      fix: 'Add the missing file, or list the patients one by one under `dataset.patients`',
    });
  };
  for (const [id, image] of images)
    if (!masks.has(id)) refuse(image[0]!, `a mask by dataset.pattern.mask, ${pattern.mask}`);
  for (const [id, mask] of masks) {
    if (!images.has(id)) refuse(mask[0]!, `an image by dataset.pattern.image, ${pattern.image}`);
    if (mask.length > 1) {
      throw new Fault('PATIENT_TWICE', {
        at: posix.basename(mask[0]!),
        found: `${mask.length} masks for one patient`,
        expected: 'one',
        fix: 'Make the pattern more exact, or list the patients one by one under `dataset.patients`',
      });
    }
  }
}

/**
 * Groups paths by what `{patient}` stands for in a pattern. A pattern matches a file, or a folder and then stands for the
 * files in it. `{patient}` never spans a slash; where it stands twice, both must be equal.
 */
export function matchPattern(paths: readonly string[], pattern: string): Map<string, string[]> {
  const expression = patternExpression(pattern);
  const found = new Map<string, string[]>();
  for (const path of paths) {
    const match = expression.exec(path) ?? (isSeriesFile(path) ? expression.exec(posix.dirname(path)) : null);
    const id = match?.groups?.patient;
    if (id !== undefined) found.set(id, [...(found.get(id) ?? []), path]);
  }
  return found;
}

function patternExpression(pattern: string): RegExp {
  const literals = posix
    .normalize(pattern)
    .replace(/\/$/, '')
    .split('{patient}')
    .map((literal) => literal.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const [first, ...rest] = literals;
  const groups = rest.map((literal, index) => (index === 0 ? `(?<patient>[^/]+?)` : '\\k<patient>') + literal);
  return new RegExp(`^${first}${groups.join('')}$`, 'u');
}
