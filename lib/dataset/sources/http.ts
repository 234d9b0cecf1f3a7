import { Fault } from '../../fault.ts';
import { OutOfReach } from '../../http/reach.ts';
import type { HttpFaults } from '../../http/request.ts';
import { cacheFault } from './faults.ts';
import type { RemoteArchive } from './remote-archive.ts';

/** An archive at an address. @throws Fault SOURCE_URL for what is not a plain http(s) address */
export function httpArchive({ url, sha256 }: { url: string; sha256?: string | undefined }): RemoteArchive {
  checkUrl(url);
  const at = fileNameOf(url);
  return {
    ...{ kind: 'http', url, sha256, at, faults: httpFaults(url, at) },
    webPageFix:
      'Use the address of the file itself; where it needs a login, download it and use a source of kind `local`',
  };
}

function checkUrl(url: string): void {
  const refuse = (found: string, expected: string, fix: string) =>
    new Fault('SOURCE_URL', { at: 'source.url', found, expected, fix });
  if (!URL.canParse(url)) throw refuse('no address', 'http://… or https://…', 'Write the whole address');
  const { protocol, username, password } = new URL(url);
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw refuse(protocol, 'http: or https:', 'Download the archive and use a source of kind `local`');
  }
  if (username || password) {
    throw refuse(
      'a password in the address',
      'an address without one',
      'Use a signed address, or download the archive',
    );
  }
}

/** The last part of the path, without the query, which may hold a signature. */
function fileNameOf(url: string): string {
  const { pathname, hostname } = new URL(url);
  return pathname.split('/').filter(Boolean).at(-1) ?? hostname;
}

function httpFaults(url: string, at: string): HttpFaults {
  return {
    refused({ status }) {
      const details = { at, found: `HTTP ${status}`, expected: 'the archive' };
      if (status === 401 || status === 403) {
        const fix = 'Check the access rights of the address; a signed address may have expired';
        return new Fault('SOURCE_DENIED', { ...details, fix });
      }
      if (status === 404 || status === 410) {
        return new Fault('SOURCE_MISSING', { ...details, fix: 'Check `source.url`' });
      }
      const fix = 'Open the address in a browser to see what the server says';
      return new Fault('SOURCE_REFUSED', { ...details, fix });
    },
    downgraded() {
      const [found, expected] = ['a redirection from https to http', 'an encrypted connection'];
      return new Fault('SOURCE_REFUSED', { at, found, expected, fix: 'Use the final address if you trust it' });
    },
    // The cause may hold the address, with its signature.
    unreachable: (reason) => unreachable(at, reason, new URL(url).host),
    local: (error) => (error instanceof OutOfReach ? forbidden(error.host) : cacheFault(error)),
  };
}

/** An address that only the worker can reach: not for whoever writes a configuration. */
export function forbidden(host: string): Fault {
  const [found, expected] = [`an address of a private network (${host})`, 'a public address'];
  const fix = 'Name the host in SAMFLOW_SOURCE_HOSTS of the io worker if sources may come from there';
  return new Fault('SOURCE_FORBIDDEN', { at: 'the source', found, expected, fix });
}

export function unreachable(at: string, reason: string, host: string): Fault {
  const fix = 'Check the network and the server; what was fetched is kept, and the next try goes on from there';
  return new Fault('SOURCE_UNREACHABLE', { at, found: reason, expected: `an answer from ${host}`, fix });
}
