import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';

/** A model as the hub keeps it: branches and tags name commits, and a commit is a set of files. */
export interface HubModel {
  refs: Record<string, string>;
  commits: Record<string, Record<string, Uint8Array>>;
  /** Without one of these tokens the model is not shown. */
  tokens?: readonly string[];
  /** The terms were accepted by nobody. */
  gated?: boolean;
}

/** What a request is answered with instead of what was asked for. */
export type Trouble = (request: IncomingMessage, response: ServerResponse) => unknown;

export interface HubRequest {
  server: 'hub' | 'storage';
  path: string;
  range: string | undefined;
  authorization: string | undefined;
}

export interface Hub {
  url: string;
  models: Record<string, HubModel>;
  /** Old name → new name. */
  renamed: Record<string, string>;
  requests: HubRequest[];
  /** The first of them answers the next request of its kind; without any all is well. */
  troubles: { hub: Trouble[]; storage: Trouble[] };
}

/**
 * A server that behaves like the Hugging Face hub: an API that resolves revisions, small files of its own, and large ones on
 * a second address (another origin), which each answer signs anew. Ended after the tests of the file.
 */
export async function startHub(models: Record<string, HubModel> = {}): Promise<Hub> {
  const hub: Hub = { url: '', models, renamed: {}, requests: [], troubles: { hub: [], storage: [] } };
  /** Signature → bytes; each is good for one request. */
  const signed = new Map<string, Uint8Array>();
  const record = (server: HubRequest['server'], { url, headers }: IncomingMessage): void => {
    const { range, authorization } = headers;
    hub.requests.push({ server, path: url!.split('?')[0]!, range, authorization });
  };

  const storage = await listen((request, response) => {
    record('storage', request);
    const { pathname, searchParams } = new URL(request.url!, 'http://storage');
    const signature = searchParams.get('signature') ?? '';
    const bytes = signed.get(signature);
    signed.delete(signature);
    const trouble = hub.troubles.storage.shift();
    if (trouble) return trouble(request, response);
    // As S3 does: two ways to prove who one is are one too many.
    if (request.headers.authorization) return response.writeHead(400).end();
    if (!bytes) return response.writeHead(403).end();
    sendRange(request, response, bytes, { etag: `"${pathname.slice(1)}-of-the-storage"` });
  });

  const front = await listen((request, response) => {
    record('hub', request);
    const trouble = hub.troubles.hub.shift();
    if (trouble) trouble(request, response);
    else answer(request, response);
  });
  hub.url = front.url;

  function answer(request: IncomingMessage, response: ServerResponse): ServerResponse {
    const path = decodeURIComponent(new URL(request.url!, 'http://hub').pathname);
    const api = /^\/api\/models\/([^/]+\/[^/]+)\/revision\/(.+)$/.exec(path);
    const file = /^\/(?:api\/resolve-cache\/models\/)?([^/]+\/[^/]+)\/(?:resolve\/)?([^/]+)\/(.+)$/.exec(path);
    const [, name = '', revision = '', entry = ''] = api ?? file ?? [];
    const renamed = hub.renamed[name];
    if (renamed) return response.writeHead(307, { location: request.url!.replace(name, renamed) }).end();
    const model = hub.models[name];
    const token = request.headers.authorization?.replace(/^Bearer /, '');
    if (!model || (model.tokens && !model.tokens.includes(token ?? ''))) {
      // The hub does not say whether the model is private or is not there.
      return refuse(response, token === undefined ? 401 : 404, 'RepoNotFound');
    }
    const commit = model.refs[revision] ?? revision;
    const files = model.commits[commit];
    if (!files) return refuse(response, 404, 'RevisionNotFound');
    if (api) return response.writeHead(200, JSON_TYPE).end(JSON.stringify({ _id: '1', id: name, sha: commit }));
    if (model.gated) return refuse(response, 403, 'GatedRepo');
    const bytes = files[entry];
    if (!bytes) return refuse(response, 404, 'EntryNotFound');
    if (!entry.endsWith('.safetensors')) {
      const cached = `/api/resolve-cache/models/${name}/${commit}/${entry}`;
      if (path !== cached) return response.writeHead(307, { location: cached }).end('Temporary Redirect.');
      const etag = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
      return sendRange(request, response, bytes, { etag: `"${etag}"`, 'x-repo-commit': commit });
    }
    const signature = randomUUID();
    signed.set(signature, bytes);
    const digest = createHash('sha256').update(bytes).digest('hex');
    const headers = {
      location: `${storage.url}/${digest}?signature=${signature}`,
      ...{ 'x-repo-commit': commit, 'x-linked-etag': `"${digest}"`, 'x-linked-size': bytes.length },
    };
    return response.writeHead(302, headers).end('Found. Redirecting.');
  }
  return hub;
}

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

const refuse = (response: ServerResponse, status: number, code: string): ServerResponse =>
  response.writeHead(status, { ...JSON_TYPE, 'x-error-code': code }).end(JSON.stringify({ error: code }));

/** The whole of a file, or the part that was asked for if (If-Range) it is of the same state. */
export function sendRange(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
  headers: Record<string, string>,
): ServerResponse {
  const [, from, to] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '') ?? [];
  const ifRange = request.headers['if-range'];
  if (from === undefined || (ifRange !== undefined && ifRange !== headers.etag)) {
    return response.writeHead(200, { ...headers, 'content-length': bytes.length }).end(bytes);
  }
  const part = bytes.subarray(Number(from), to ? Number(to) + 1 : undefined);
  if (part.length === 0) return response.writeHead(416, headers).end();
  const contentRange = `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}`;
  return response
    .writeHead(206, { ...headers, 'content-range': contentRange, 'content-length': part.length })
    .end(part);
}

export async function listen(handler: Trouble): Promise<{ url: string; server: Server }> {
  const server = createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

/** Sends this many bytes of the answer and cuts the line. */
export const cutAfter =
  (bytes: Uint8Array, count: number, headers: Record<string, string> = {}): Trouble =>
  (request, response) => {
    const from = Number(/bytes=(\d+)/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, {
      ...headers,
      'content-length': bytes.length - from,
      ...(from > 0 && { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
    });
    response.write(bytes.subarray(from, from + count), () => setTimeout(() => response.destroy(), 20));
  };

/** Answers with a status and nothing else. */
export const status =
  (code: number): Trouble =>
  (_, response) =>
    response.writeHead(code).end('no');
