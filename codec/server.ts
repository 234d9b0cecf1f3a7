import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PayloadCodec } from '@temporalio/common';
import { isFault } from '../lib/fault.ts';
import { payloadsToJson, readPayloads } from './payload-json.ts';
import { signInPage } from './sign-in-page.ts';

export interface CodecServerOptions {
  readonly codec: PayloadCodec;
  /** 0: any that is free. */
  readonly port: number;
  /** Whoever shows it may have payloads decoded. */
  readonly token: string;
  /** Pages that may ask, as browsers name them: `http://127.0.0.1:8233`. */
  readonly origins: readonly string[];
  /** Encode as well: with it, who has the token can write what workers take for ours. */
  readonly encodes: boolean;
}

export interface CodecServer {
  readonly url: string;
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 8 * 2 ** 20;
const SESSION_SECONDS = 8 * 3600;
const COOKIE = 'samflow-codec';
/** What Temporal's Web UI sends beside the body. */
const REQUEST_HEADERS = 'content-type, x-namespace, authorization, authorization-extras';

/**
 * Temporal's remote codec: POST /decode and /encode with payloads as JSON. On the loopback address only, for the token is as good as
 * the keys; a proxy with TLS may stand in front. Programs show the token as a bearer; the Web UI can send one only over https,
 * so a person gives it once on the page at `/` and has a cookie from then on. Nothing that comes in is logged or kept.
 */
export async function startCodecServer(options: CodecServerOptions): Promise<CodecServer> {
  const sessions = new Sessions(options.token);
  const server = createServer((request, response) => {
    answer(request, response, options, sessions).catch((error: unknown) => {
      if (response.headersSent) return response.destroy();
      // Of faults the sentence, which holds no payload; of anything else nothing.
      if (isFault(error)) return json(response, 400, { code: error.code, message: error.message });
      const status = error instanceof Refusal ? error.status : 500;
      return json(response, status, { message: error instanceof Refusal ? error.message : 'failed' });
    });
  });
  server.requestTimeout = 30_000;
  server.listen(options.port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close').catch(() => undefined);
    },
  };
}

class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { codec, origins, encodes }: CodecServerOptions,
  sessions: Sessions,
): Promise<unknown> {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  const route = `${request.method} ${pathname}`;
  response.setHeader('cache-control', 'no-store').setHeader('x-content-type-options', 'nosniff');
  if (route === 'GET /') return page(response, 'asked');
  if (route === 'POST /session') {
    const token = new URLSearchParams((await bodyOf(request)).toString('utf8')).get('token') ?? '';
    if (!sessions.isToken(token)) return page(response, 'refused');
    const attributes = `HttpOnly; SameSite=Strict; Path=/; Max-Age=${SESSION_SECONDS}`;
    return page(response.setHeader('set-cookie', `${COOKIE}=${sessions.open()}; ${attributes}`), 'signed-in');
  }
  const decodes = pathname === '/decode';
  if (!decodes && !(encodes && pathname === '/encode')) throw new Refusal(404, 'not here');
  allow(request, response, origins);
  if (request.method === 'OPTIONS') return response.writeHead(204).end();
  if (request.method !== 'POST') throw new Refusal(405, 'POST only');
  if (!sessions.admit(request)) {
    response.setHeader('www-authenticate', 'Bearer');
    throw new Refusal(401, 'a token is needed');
  }
  const payloads = readPayloads(await bodyOf(request)) ?? refuse();
  return json(response, 200, payloadsToJson(await (decodes ? codec.decode(payloads) : codec.encode(payloads))));
}

const refuse = (): never => {
  throw new Refusal(400, 'payloads as JSON are expected');
};

/** Tells the browser that a page may read the answer. Pages of other origins get none, whatever cookie they bring. */
function allow({ headers: { origin } }: IncomingMessage, response: ServerResponse, origins: readonly string[]): void {
  response.setHeader('vary', 'origin');
  if (origin === undefined) return;
  if (!origins.includes(origin)) throw new Refusal(403, 'this origin may not ask');
  response
    .setHeader('access-control-allow-origin', origin)
    .setHeader('access-control-allow-credentials', 'true')
    .setHeader('access-control-allow-methods', 'POST')
    .setHeader('access-control-allow-headers', REQUEST_HEADERS);
}

/** The token, and the browsers that have shown it. Digests are compared, in a time that says nothing of either. */
class Sessions {
  readonly #token: Buffer;
  readonly #ends = new Map<string, number>();

  constructor(token: string) {
    this.#token = digest(token);
  }

  isToken(text: string): boolean {
    return timingSafeEqual(digest(text), this.#token);
  }

  open(): string {
    for (const [id, end] of this.#ends) if (end < Date.now()) this.#ends.delete(id);
    const id = randomBytes(24).toString('base64url');
    this.#ends.set(digest(id).toString('hex'), Date.now() + SESSION_SECONDS * 1000);
    return id;
  }

  admit({ headers: { authorization, cookie } }: IncomingMessage): boolean {
    const bearer = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1];
    if (bearer !== undefined) return this.isToken(bearer);
    const id = new RegExp(`(?:^|; )${COOKIE}=([\\w-]+)`).exec(cookie ?? '')?.[1];
    return id !== undefined && (this.#ends.get(digest(id).toString('hex')) ?? 0) > Date.now();
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Refusal(413, `at most ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function json(response: ServerResponse, status: number, value: unknown): void {
  // The rest of a body that nobody reads is not waited for.
  if (status >= 400) response.setHeader('connection', 'close');
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function page(response: ServerResponse, state: Parameters<typeof signInPage>[0]): void {
  const policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
  const headers = { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy };
  response.writeHead(state === 'refused' ? 401 : 200, headers).end(signInPage(state));
}
