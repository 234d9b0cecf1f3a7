import { Fault } from '../../fault.ts';
import { type HttpFaults, type RequestOptions, retrying } from '../../http/request.ts';
import { cacheFault } from './faults.ts';
import { unreachable } from './http.ts';
import { type KaggleAccess, kaggleAuthorization } from './kaggle-credentials.ts';
import type { RemoteArchive } from './remote-archive.ts';

export interface KaggleSource {
  /** `owner/slug`, as the address of its page ends. */
  readonly dataset: string;
  /** Default: the newest. */
  readonly version?: number | undefined;
  readonly sha256?: string | undefined;
}

/**
 * A data set of Kaggle, by its public API (github.com/Kaggle/kaggle-api): one archive, which Kaggle hands out by redirecting
 * to a storage address that it signs for each request. @throws Fault SOURCE_CREDENTIALS
 */
export async function kaggleArchive(source: KaggleSource, access: KaggleAccess): Promise<RemoteArchive> {
  const { dataset, version, sha256 } = source;
  const authorization = await kaggleAuthorization(access);
  const query = version === undefined ? '' : `?datasetVersionNumber=${version}`;
  const at = nameOf(source);
  return {
    ...{ kind: 'kaggle', sha256, at, faults: kaggleFaults(at, access.endpoint, authorization !== null) },
    url: `${access.endpoint}/api/v1/datasets/download/${dataset}${query}`,
    ...(authorization !== null && { headers: { authorization } }),
    webPageFix: 'Check KAGGLE_API_ENDPOINT of the io worker; Kaggle itself sends archives from this address',
  };
}

/**
 * What Kaggle says of the data set's licence and version, as text for a record. The data are there already, so this much
 * is not worth a failure: null where Kaggle does not say.
 */
export async function kaggleTerms(
  source: KaggleSource,
  { headers, faults }: RemoteArchive,
  { endpoint }: KaggleAccess,
  options: RequestOptions,
): Promise<string | null> {
  const url = `${endpoint}/api/v1/datasets/view/${source.dataset}`;
  const ask = retrying(faults, options, async ({ request }) =>
    (await request({ url, ...(headers && { headers }) })).json(),
  );
  const answer = await ask.catch(() => null);
  options.signal?.throwIfAborted();
  const { licenseName, currentVersionNumber } = (answer ?? {}) as Record<string, unknown>;
  if (typeof licenseName !== 'string' || licenseName === '') return null;
  const version = source.version ?? (Number.isInteger(currentVersionNumber) ? Number(currentVersionNumber) : null);
  const name = version === null ? source.dataset : `${source.dataset}, version ${version}`;
  return `Kaggle data set ${name}\nLicence, as Kaggle names it: ${licenseName}\n`;
}

const nameOf = ({ dataset, version }: KaggleSource) => `kaggle:${dataset}${version === undefined ? '' : `@${version}`}`;

function kaggleFaults(at: string, endpoint: string, authorized: boolean): HttpFaults {
  const fault = (code: string, found: string, expected: string, fix: string) =>
    new Fault(code, { at, found, expected, fix });
  return {
    refused({ status, url }) {
      const found = `HTTP ${status}`;
      if (new URL(url).origin !== new URL(endpoint).origin) {
        const fix = 'Start again: Kaggle signs another address for each request';
        return fault('SOURCE_REFUSED', `${found} from the storage that Kaggle redirects to`, 'the archive', fix);
      }
      if (status === 401) return fault('SOURCE_DENIED', found, 'a data set that may be read', wayIn(authorized));
      if (status === 403) return fault('SOURCE_DENIED', found, 'a data set that may be read', permission(authorized));
      if (status === 404 || status === 410) {
        const fix = 'Check `source.dataset` and `source.version`: the address of its page ends in owner/slug';
        return fault('SOURCE_MISSING', found, 'a data set of Kaggle', fix);
      }
      return fault('SOURCE_REFUSED', found, 'the archive', 'Open the page of the data set to see what Kaggle says');
    },
    downgraded() {
      const fix = 'Check KAGGLE_API_ENDPOINT of the io worker';
      return fault('SOURCE_REFUSED', 'a redirection from https to http', 'an encrypted connection', fix);
    },
    // The cause may hold a signed address.
    unreachable: (reason) => unreachable(at, reason, new URL(endpoint).host),
    local: cacheFault,
  };
}

const LOGIN = 'set KAGGLE_USERNAME and KAGGLE_KEY for the io worker, or put kaggle.json into its ~/.kaggle';

function wayIn(authorized: boolean): string {
  return authorized
    ? 'The name or the key that the io worker has is not valid: make a new one (Kaggle, Settings, API), and give it to the worker'
    : `This data set wants a login: ${LOGIN}`;
}

/** Kaggle answers 403 as well where it will not say that a data set does not exist. */
function permission(authorized: boolean): string {
  return authorized
    ? 'Check owner and slug, and open its page with this account: it may be private, or ask for its rules to be accepted'
    : `Check owner and slug; where they are right, ${LOGIN}`;
}
