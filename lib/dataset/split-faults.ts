import { Fault } from '../fault.ts';

export const tooFew = (at: string, patients: number, expected: string, fix: string): Fault =>
  new Fault('SPLIT_TOO_FEW_PATIENTS', {
    ...{ at, expected, fix },
    found: `${patients} ${patients === 1 ? 'patient' : 'patients'}`,
  });

export const leak = (found: string): Fault =>
  new Fault('SPLIT_LEAK', {
    at: 'split',
    found,
    expected: 'each patient once, in one part only',
    fix: 'Remove the duplicate, or give both scans of one person the same patient id',
  });
