import { Fault, isFault } from '../../fault.ts';

/**
 * Errors of a bucket as those of a source. A store names the object's key, which is a path and may name a patient, and keeps
 * the client's error as its cause; neither goes on from here.
 */
export function bucketFault(at: string, error: unknown): unknown {
  // A part that begins past the end: the object was longer a moment ago.
  if (error instanceof RangeError) return objectChanged(at);
  if (!isFault(error)) return error;
  const { found, expected } = error.details;
  switch (error.code) {
    case 'STORE_CREDENTIALS':
    case 'STORE_DENIED': {
      const fix =
        'Check SAMFLOW_SOURCE_S3_… of the io worker and the policy of the bucket: it must allow to list and to read';
      return new Fault('SOURCE_DENIED', { at, found, expected: 'a bucket that may be read', fix });
    }
    case 'STORE_BUCKET_MISSING':
      return new Fault('SOURCE_MISSING', { at, found, expected, fix: 'Check `source.bucket` and `source.endpoint`' });
    case 'STORE_UNREACHABLE':
    case 'STORE_FAILED':
    case 'ARTIFACT_CORRUPT': {
      const fix =
        'Check the network and `source.endpoint`; what was fetched is kept, and the next try goes on from there';
      return new Fault('SOURCE_UNREACHABLE', { at, found, expected, fix });
    }
    default:
      return error;
  }
}

export function objectChanged(at: string): Fault {
  return new Fault('SOURCE_CHANGED', {
    at,
    found: 'another object than at the first request',
    expected: 'the same object until it is fetched',
    fix: 'Start again when nobody writes to the bucket',
  });
}
