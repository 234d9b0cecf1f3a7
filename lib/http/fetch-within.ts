import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { Readable } from 'node:stream';
import type { Reach } from './reach.ts';

const MAX_REDIRECTIONS = 5;
/** Of these a response has no body, by the Fetch standard. */
const EMPTY = [204, 205, 304];

interface Asked {
  readonly headers: Readonly<Record<string, string>>;
  readonly redirect: 'follow' | 'manual';
  readonly signal: AbortSignal;
}

/**
 * GET as `fetch` does it, to addresses within reach: `fetch` itself takes no lookup function. Each redirection is looked at anew, and
 * one to another origin goes without `authorization`. The response's `url` is the last one that was asked.
 * @throws OutOfReach, and what the connection throws
 */
export async function fetchWithin(reach: Reach, url: string, { headers, redirect, signal }: Asked): Promise<Response> {
  let at = new URL(url);
  let sent = headers;
  for (let redirections = 0; ; redirections++) {
    const answer = await ask(reach, at, sent, signal);
    const { statusCode: status = 0, headers: received } = answer;
    const location = [301, 302, 303, 307, 308].includes(status) ? received.location : undefined;
    if (redirect === 'manual' || location === undefined) return toResponse(answer, at);
    answer.destroy();
    if (redirections === MAX_REDIRECTIONS) throw new Error(`more than ${MAX_REDIRECTIONS} redirections`);
    const next = new URL(location, at);
    if (next.origin !== at.origin) sent = withoutAuthorization(sent);
    at = next;
  }
}

function ask(
  reach: Reach,
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  reach.checkHost(url.hostname);
  const request = { 'http:': requestHttp, 'https:': requestHttps }[url.protocol];
  if (!request) throw new Error(`a redirection to ${url.protocol}`);
  return new Promise((resolve, reject) => {
    // An agent of its own would reuse a connection that another reach has made.
    request(url, { headers, signal, lookup: reach.lookup, agent: false }, resolve).on('error', reject).end();
  });
}

function toResponse(answer: IncomingMessage, url: URL): Response {
  const { statusCode: status = 0, headers } = answer;
  const entries = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((one): [string, string] => [name, one]),
  );
  const body = !EMPTY.includes(status) ? (Readable.toWeb(answer) as ReadableStream<Uint8Array>) : null;
  return Object.defineProperty(new Response(body, { status, headers: entries }), 'url', { value: url.href });
}

const withoutAuthorization = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization'));
