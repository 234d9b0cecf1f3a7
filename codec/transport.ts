import { isIP } from 'node:net';
import { Fault } from '../lib/fault.ts';

export interface Transport {
  readonly temporal: {
    readonly address: string;
    /** As Temporal's environment configuration makes it: set for certificates and for an API key. */
    readonly tls?: unknown;
  };
  /** Addresses that get secrets or scans, by their variable; absent where they have a default, which is https. */
  readonly endpoints: Readonly<Record<string, string | undefined>>;
}

/**
 * Refuses to talk in clear over a network: what Temporal and S3 are sent names patients by their pseudonyms and, in S3, holds their
 * scans; an API key would go along. On this machine nobody listens; for a network that is private, say so.
 * @throws Fault TRANSPORT_IN_CLEAR
 */
export function requireEncryption({ temporal, endpoints }: Transport, isAllowedInClear: boolean): void {
  if (isAllowedInClear) return;
  const { address, tls } = temporal;
  if (!tls && !isLoopback(hostOf(address))) {
    const fix =
      'Set TEMPORAL_TLS=true, certificates or TEMPORAL_API_KEY; or, in a private network, SAMFLOW_ALLOW_PLAIN_TEXT=true';
    throw inClear('TEMPORAL_ADDRESS', address, fix);
  }
  for (const [variable, endpoint] of Object.entries(endpoints)) {
    if (!endpoint?.startsWith('http:') || isLoopback(new URL(endpoint).hostname)) continue;
    const fix = 'Write https://; or, in a private network, set SAMFLOW_ALLOW_PLAIN_TEXT=true';
    throw inClear(variable, new URL(endpoint).origin, fix);
  }
}

function inClear(at: string, address: string, fix: string): Fault {
  const found = `${address}, another machine, without encryption`;
  return new Fault('TRANSPORT_IN_CLEAR', { at, found, expected: 'TLS', fix });
}

/** Of `host:port`, as gRPC has it. */
const hostOf = (address: string): string => address.replace(/:\d+$/, '');

function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'));
}
