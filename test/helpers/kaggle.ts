import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { listen, sendRange, type Trouble } from './hub.ts';

export interface KaggleDataset {
  /** Archive of each version. */
  versions: Record<number, Uint8Array>;
  licenseName?: string;
  /** Shown without a login. */
  open?: boolean;
  /** Hidden from every account but its owner's: Kaggle answers 403. */
  private?: boolean;
}

export interface KaggleRequest {
  server: 'kaggle' | 'storage';
  path: string;
  range: string | undefined;
  ifRange: string | string[] | undefined;
  authorization: string | undefined;
}

export interface Kaggle {
  url: string;
  datasets: Record<string, KaggleDataset>;
  requests: KaggleRequest[];
  /** The first of them answers the next request of its kind; without any all is well. */
  troubles: { kaggle: Trouble[]; storage: Trouble[] };
}

export const ACCOUNT = { username: 'someone', key: '0123456789abcdef0123456789abcdef' };
export const TOKEN = 'KGAT_0123456789';
const ACCEPTED = [`Basic ${Buffer.from(`${ACCOUNT.username}:${ACCOUNT.key}`).toString('base64')}`, `Bearer ${TOKEN}`];

/**
 * A server that behaves like Kaggle's public API: basic authentication, JSON about a data set, and for its archive a
 * redirection to a storage address on another origin, signed anew for each request. Ended after the tests of the file.
 */
export async function startKaggle(datasets: Record<string, KaggleDataset> = {}): Promise<Kaggle> {
  const kaggle: Kaggle = { url: '', datasets, requests: [], troubles: { kaggle: [], storage: [] } };
  /** Signature → bytes; each is good for one request. */
  const signed = new Map<string, Uint8Array>();
  const record = (server: KaggleRequest['server'], { url, headers }: IncomingMessage): void => {
    const { range, 'if-range': ifRange, authorization } = headers;
    kaggle.requests.push({ server, path: url!.split('?')[0]!, range, ifRange, authorization });
  };

  const storage = await listen((request, response) => {
    record('storage', request);
    const signature = new URL(request.url!, 'http://storage').searchParams.get('X-Goog-Signature') ?? '';
    const bytes = signed.get(signature);
    signed.delete(signature);
    const trouble = kaggle.troubles.storage.shift();
    if (trouble) return trouble(request, response);
    // As the storage does: a signature and a login are one too many.
    if (request.headers.authorization) return response.writeHead(400).end();
    if (!bytes) return response.writeHead(403).end();
    sendRange(request, response, bytes, stateOf(bytes));
  });

  const front = await listen((request, response) => {
    record('kaggle', request);
    const trouble = kaggle.troubles.kaggle.shift();
    if (trouble) trouble(request, response);
    else answer(request, response);
  });
  kaggle.url = front.url;

  function answer(request: IncomingMessage, response: ServerResponse): ServerResponse {
    const { pathname, searchParams } = new URL(request.url!, 'http://kaggle');
    const [, action, name = ''] = /^\/api\/v1\/datasets\/(view|download)\/([^/]+\/[^/]+)$/.exec(pathname) ?? [];
    const { authorization } = request.headers;
    const dataset = kaggle.datasets[name];
    if (authorization !== undefined && !ACCEPTED.includes(authorization))
      return refuse(response, 401, 'Unauthenticated');
    if (authorization === undefined && !dataset?.open) return refuse(response, 401, 'Unauthenticated');
    if (dataset?.private) return refuse(response, 403, 'Permission "datasets.get" was denied');
    const newest = Math.max(...Object.keys(dataset?.versions ?? {}).map(Number));
    const bytes = dataset?.versions[Number(searchParams.get('datasetVersionNumber') ?? newest)];
    if (!dataset || !bytes || !action) return refuse(response, 404, 'Not found');
    if (action === 'view') {
      const facts = { ref: name, licenseName: dataset.licenseName ?? null, currentVersionNumber: newest };
      return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(facts));
    }
    const signature = randomUUID();
    signed.set(signature, bytes);
    const location = `${storage.url}/kaggle-data-sets/1/bundle/archive.zip?X-Goog-Signature=${signature}`;
    return response.writeHead(302, { location }).end();
  }
  return kaggle;
}

/** What the storage says of one state of a file. */
export const stateOf = (bytes: Uint8Array): Record<string, string> => ({
  etag: `"${createHash('md5').update(bytes).digest('hex')}"`,
  'content-type': 'application/zip',
});

const refuse = (response: ServerResponse, code: number, message: string): ServerResponse =>
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify({ code, message }));
