import type { SourceConfig } from '../contracts/config.ts';

/** A sentence about an archive that anybody on the way, or its server, could exchange; null where there is nothing to say. */
export function unverifiedSource(source: SourceConfig): string | null {
  if ((source.kind !== 'http' && source.kind !== 'kaggle') || source.sha256 !== undefined) return null;
  return '`source.sha256` is not set: the archive is taken as its server sends it, today and at the next run.';
}
