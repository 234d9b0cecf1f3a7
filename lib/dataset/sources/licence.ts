import { posix } from 'node:path';
import type { SourceListing } from './source.ts';

/** Names under which data sets say who made them and what others may do with them; BIDS: `dataset_description.json`. */
const TELLING =
  /^(licen[cs]e|copying|copyright|notice|readme|citation|terms[-_ ]of[-_ ]use|dataset_description)([-_.].*)?$/i;
const READABLE = /(^[^.]*|\.(md|txt|rst|html?|json|cff|bib))$/i;
const MAX_FILES = 8;
const MAX_FILE_BYTES = 256 * 2 ** 10;

/**
 * What a data set says of its own use: the keeper's word, then its licence and readme files as they are, at the top or one
 * folder below. Null where it says nothing.
 */
export async function licenceText(listing: SourceListing, signal?: AbortSignal): Promise<string | null> {
  const telling = listing.files.filter(
    ({ path, bytes }) =>
      path.split('/').length <= 2 &&
      TELLING.test(posix.basename(path)) &&
      READABLE.test(posix.basename(path)) &&
      bytes <= MAX_FILE_BYTES,
  );
  const parts = [];
  const terms = await listing.terms?.();
  if (terms) parts.push(terms);
  for (const { path } of telling.slice(0, MAX_FILES)) {
    signal?.throwIfAborted();
    parts.push(`== ${posix.basename(path)}\n${Buffer.from(await listing.read(path)).toString('utf8')}`);
  }
  return parts.length === 0 ? null : parts.join('\n');
}
