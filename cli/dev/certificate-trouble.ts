import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { isIP } from 'node:net';
import { connect } from 'node:tls';

/** As Temporal's environment configuration makes it. */
export interface TlsSettings {
  readonly serverNameOverride?: string | undefined;
  readonly serverRootCACertificate?: Uint8Array | undefined;
  readonly clientCertPair?: { readonly crt: Uint8Array; readonly key: Uint8Array } | undefined;
}

const TIMEOUT_MS = 5_000;
/** What Node says of a server's certificate. */
const TROUBLES: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'a certificate that has expired',
  CERT_NOT_YET_VALID: 'a certificate that does not hold yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'a certificate of another name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'a certificate that nobody vouches for',
  SELF_SIGNED_CERT_IN_CHAIN: 'a certificate that nobody vouches for',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'a certificate that nobody vouches for',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'a certificate that nobody vouches for',
};

/**
 * Why a server with TLS cannot be talked to, where a certificate is the reason; else null. The client tells no more than that the
 * time is over, so this asks once more, for the handshake alone.
 * @param address `host:port`
 */
export async function certificateTrouble(address: string, tls: TlsSettings): Promise<string | null> {
  const { crt, key } = tls.clientCertPair ?? {};
  const ended = crt && new Date(new X509Certificate(crt).validTo);
  if (ended && ended < new Date()) return `a client certificate that ended on ${ended.toISOString().slice(0, 10)}`;
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(address) ?? [];
  const name = host.replace(/^\[|\]$/g, '');
  const socket = connect({
    ...{ host: name, port: Number(port), ALPNProtocols: ['h2'] },
    ...(tls.serverNameOverride ? { servername: tls.serverNameOverride } : isIP(name) === 0 && { servername: name }),
    ...(tls.serverRootCACertificate && { ca: Buffer.from(tls.serverRootCACertificate) }),
    ...(crt && key && { cert: Buffer.from(crt), key: Buffer.from(key) }),
  });
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(TIMEOUT_MS) });
    return null;
  } catch (error) {
    return TROUBLES[(error as NodeJS.ErrnoException).code ?? ''] ?? null;
  } finally {
    socket.destroy();
  }
}
