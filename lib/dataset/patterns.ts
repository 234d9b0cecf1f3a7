import { posix } from 'node:path';

/**
 * Paths of a source by pattern. `{patient}` stands for a patient's id, `*` for anything within one part of a path, and a
 * part that is `**` for any number of folders, none included.
 */

/** Folders of DICOM series come with an index and with files of the operating system; neither is a slice. */
export function isSeriesFile(path: string): boolean {
  const name = posix.basename(path);
  return !name.startsWith('.') && name.toUpperCase() !== 'DICOMDIR';
}

/** By its name alone: `.dcm`, `.ima`, or no extension (a number, a UID, `IM0001`), and not one of the files that data sets come with. */
export function mayBeSlice(path: string): boolean {
  if (!isSeriesFile(path)) return false;
  const name = posix.basename(path);
  const extension = /\.([a-z][a-z0-9]*)$/i.exec(name)?.[1]?.toLowerCase();
  if (extension !== undefined) return ['dcm', 'dicom', 'ima'].includes(extension);
  return !/^(licen[cs]e|readme|copying|notice|citation|changes)$/i.test(name);
}

export const isNifti = (path: string): boolean => /\.nii(\.gz)?$/i.test(path);

/**
 * Groups paths by what `{patient}` stands for in a pattern. A pattern matches a file, or a folder and then stands for the
 * files in it. `{patient}` never spans a slash; where it stands twice, both must be equal.
 */
export function matchPattern(paths: readonly string[], pattern: string): Map<string, string[]> {
  const matches = patternMatcher(pattern);
  const found = new Map<string, string[]>();
  for (const path of paths) {
    const id = matches(path) ?? idOfFolder(path, matches);
    if (id === undefined) continue;
    const group = found.get(id);
    if (group) group.push(path);
    else found.set(id, [path]);
  }
  return found;
}

/** What the mask pattern matches is no image: `{patient}.nii.gz` would also match `1_mask.nii.gz`. */
export function matchPatterns(
  paths: readonly string[],
  pattern: { readonly image: string; readonly mask: string },
): { images: Map<string, string[]>; masks: Map<string, string[]> } {
  const masks = matchPattern(paths, pattern.mask);
  const taken = new Set([...masks.values()].flat());
  const images = matchPattern(
    paths.filter((path) => !taken.has(path)),
    pattern.image,
  );
  return { images, masks };
}

type Matcher = (path: string) => string | undefined;

/** A NIfTI file is never one of a series: a pattern that names its folder does not mean it. */
function idOfFolder(path: string, matches: Matcher): string | undefined {
  const id = matches(path.slice(0, Math.max(path.lastIndexOf('/'), 0)));
  return id !== undefined && !isNifti(path) && isSeriesFile(path) ? id : undefined;
}

/** What `{patient}` stands for in a path; undefined where the pattern does not match. */
function patternMatcher(pattern: string): Matcher {
  const text = posix.normalize(pattern).replace(/\/$/, '');
  const expression = patternExpression(text);
  // Most paths differ at one end or the other, and a layout is looked for by many patterns.
  const [head, tail] = [/^[^{*]*/.exec(text)![0], /[^}*]*$/.exec(text)![0]];
  return (path) => (path.startsWith(head) && path.endsWith(tail) ? expression.exec(path)?.groups?.patient : undefined);
}

function patternExpression(text: string): RegExp {
  let seen = false;
  const expression = text.replace(/\{patient\}|\*\*\/|\*|[.+?^${}()|[\]\\]/g, (sign) => {
    switch (sign) {
      case '{patient}': {
        const group = seen ? '\\k<patient>' : '(?<patient>[^/]+?)';
        seen = true;
        return group;
      }
      case '**/':
        return '(?:[^/]+/)*';
      case '*':
        return '[^/]*';
      default:
        return `\\${sign}`;
    }
  });
  return new RegExp(`^${expression}$`, 'u');
}
