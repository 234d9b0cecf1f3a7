import { Fault } from '../../fault.ts';
import type { EntryCodes } from './entries.ts';

export const TAR_CODES: EntryCodes = {
  absolute: 'TAR_ABSOLUTE',
  slip: 'TAR_SLIP',
  path: 'TAR_PATH',
  duplicate: 'TAR_DUPLICATE',
  bomb: 'TAR_BOMB',
  tooLarge: 'TAR_TOO_LARGE',
};

export function tarDamaged(at: string, found: string): Fault {
  const fix = 'Get the archive again: it is cut off or damaged';
  return new Fault('TAR_DAMAGED', { at, found, expected: 'a complete .tar archive', fix });
}

/** Of a gzip file with something else in it. */
export function noTar(at: string): Fault {
  return new Fault('TAR_INVALID', {
    at,
    found: 'a gzip file that holds no tar archive',
    expected: 'a .zip, .tar or .tar.gz archive, or a folder',
    fix: 'Check the path; a single scan (.nii.gz) is no data set',
  });
}

export function refuseLink(at: string, number: number): Fault {
  return new Fault('TAR_LINK', {
    at,
    found: `entry ${number}, a link`,
    expected: 'files only',
    fix: 'Pack the files themselves instead of links (tar --dereference --hard-dereference)',
  });
}

export function refuseSpecial(at: string, number: number): Fault {
  return new Fault('TAR_SPECIAL', {
    at,
    found: `entry ${number}, a device, a sparse file or another thing that is no plain file`,
    expected: 'files only',
    fix: 'Pack plain files, without --sparse',
  });
}
