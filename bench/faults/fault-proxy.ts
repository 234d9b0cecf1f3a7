import { createHash } from 'node:crypto';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What can go wrong between a store and its clients. */
export const S3_FAULTS = [
  /** The server is busy, as S3 says it. */
  'slow-down',
  /** A page of a load balancer, which is no XML. */
  'html-500',
  'too-many',
  /** The connection breaks before the request is heard. */
  'reset-before',
  /** The server does what it was told, and the answer is lost. */
  'lost-answer',
  /** The request is done twice, as a load balancer repeats it. */
  'twice',
  /** The body of an answer breaks off. */
  'cut-body',
  /** A bit of an answer's body is another one. */
  'flipped-bit',
  /** An answer comes in small pieces. */
  'trickle',
] as const;
/** What only a time-out ends. */
export const SILENT_FAULTS = [
  /** The request is heard, and nothing comes back. */
  'silent',
  /** The body of an answer stops coming, on a connection that stays. */
  'stall',
] as const;
/** `denied`: the account may not do this any more. */
export type S3Fault = (typeof S3_FAULTS)[number] | (typeof SILENT_FAULTS)[number] | 'denied';

export interface FaultyRequest {
  readonly number: number;
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

export interface FaultProxy {
  readonly url: string;
  /** Which faults were injected, how often. */
  readonly injected: ReadonlyMap<S3Fault, number>;
  readonly requests: number;
  close(): Promise<void>;
}

/** A fault for one request in `oneIn`, by seed and number, each kind in turn so that all of them happen. */
export function seededFaults(
  seed: number,
  oneIn: number,
  kinds: readonly S3Fault[] = S3_FAULTS,
): (request: FaultyRequest) => S3Fault | null {
  const waiting: S3Fault[] = [];
  return ({ number, method }) => {
    const draw = createHash('sha256').update(`${seed}:${number}`).digest().readUInt32LE();
    if (draw % oneIn !== 0) return null;
    if (!waiting.some((fault) => isPossible(fault, method))) waiting.push(...kinds);
    const at = waiting.findIndex((fault) => isPossible(fault, method));
    return at < 0 ? null : waiting.splice(at, 1)[0]!;
  };
}

/**
 * Stands between S3 clients and a server, and lets what `choose` says go wrong. Requests pass as they come, signatures and
 * all: the host in them is the proxy's, which is what the client has signed.
 */
export async function startFaultProxy(
  target: string,
  choose: (request: FaultyRequest) => S3Fault | null,
): Promise<FaultProxy> {
  const injected = new Map<S3Fault, number>();
  let requests = 0;
  const server: Server = createServer((incoming, outgoing) => {
    const { method = 'GET', url: path = '/', headers } = incoming;
    const fault = choose({ number: requests++, method, path, headers });
    const applied = fault && isPossible(fault, method) ? fault : null;
    if (applied) injected.set(applied, (injected.get(applied) ?? 0) + 1);
    pass(new URL(target), incoming, outgoing, applied).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    injected,
    get requests() {
      return requests;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Only answers with a body can be cut. */
const isPossible = (fault: S3Fault, method: string): boolean =>
  !['cut-body', 'flipped-bit', 'trickle', 'stall'].includes(fault) || method === 'GET';

async function pass(target: URL, incoming: IncomingMessage, outgoing: ServerResponse, fault: S3Fault | null) {
  if (fault === 'reset-before') return void incoming.socket.destroy();
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  if (fault === 'slow-down') return answer(outgoing, 503, 'application/xml', SLOW_DOWN);
  if (fault === 'too-many') return answer(outgoing, 429, 'text/plain', 'Too Many Requests');
  if (fault === 'denied') return answer(outgoing, 403, 'application/xml', DENIED);
  if (fault === 'silent') return;
  if (fault === 'html-500') return answer(outgoing, 500, 'text/html', '<html><body>Internal error</body></html>');
  if (fault === 'twice') await forward(target, incoming, body);
  const { status, headers, content } = await forward(target, incoming, body);
  if (fault === 'lost-answer') return void incoming.socket.destroy();
  outgoing.writeHead(status, headers);
  if (fault === 'cut-body' && content.length > 1) {
    outgoing.write(content.subarray(0, content.length >> 1), () => incoming.socket.destroy());
    return;
  }
  if (fault === 'stall') return void outgoing.write(content.subarray(0, content.length >> 1));
  if (fault === 'flipped-bit' && content.length > 0 && status < 300) {
    content[content.length >> 1]! ^= 1;
  }
  if (fault === 'trickle') {
    const step = Math.max(1, Math.ceil(content.length / 20));
    for (let at = 0; at < content.length; at += step) {
      outgoing.write(content.subarray(at, at + step));
      await sleep(10);
    }
    return void outgoing.end();
  }
  outgoing.end(content);
}

const SLOW_DOWN =
  '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>';

const DENIED = '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>';

function answer(outgoing: ServerResponse, status: number, type: string, text: string): void {
  outgoing.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  outgoing.end(text);
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly content: Buffer;
}

function forward(target: URL, { method, url, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // The whole body is here: it goes on in one piece, whatever it came in.
    const { 'transfer-encoding': _, ...kept } = headers;
    const options = {
      ...{ hostname: target.hostname, port: target.port, method, path: url },
      headers: { ...kept, 'content-length': String(body.length) },
    };
    const sent = request(options, async (response) => {
      const chunks: Buffer[] = [];
      try {
        for await (const chunk of response) chunks.push(chunk as Buffer);
      } catch (error) {
        return reject(error as Error);
      }
      const { 'transfer-encoding': __, ...answered } = response.headers;
      const content = Buffer.concat(chunks);
      // HEAD tells the length of what it does not send.
      const length = method === 'HEAD' ? {} : { 'content-length': String(content.length) };
      resolve({ status: response.statusCode!, headers: { ...answered, ...length }, content });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
