import { Fault } from '../../fault.ts';
import type { HttpFaults } from '../../http/request.ts';
import { accessFault } from './folder.ts';

/** @throws Fault SOURCE_URL for what is not a plain http(s) address */
export function checkUrl(url: string): void {
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
export function fileNameOf(url: string): string {
  const { pathname, hostname } = new URL(url);
  return pathname.split('/').filter(Boolean).at(-1) ?? hostname;
}

/** What goes wrong with the archive at an address. */
export function sourceFaults(url: string): HttpFaults {
  const at = fileNameOf(url);
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
      return new Fault('SOURCE_REFUSED', {
        ...details,
        fix: 'Open the address in a browser to see what the server says',
      });
    },
    downgraded() {
      const [found, expected] = ['a redirection from https to http', 'an encrypted connection'];
      return new Fault('SOURCE_REFUSED', { at, found, expected, fix: 'Use the final address if you trust it' });
    },
    unreachable(reason, cause) {
      const fix = 'Check the network and the server; what was fetched is kept, and the next try goes on from there';
      const details = { at, found: reason, expected: `an answer from ${new URL(url).host}`, fix };
      return new Fault('SOURCE_UNREACHABLE', details, { cause });
    },
    local: (error) => accessFault(at, error),
  };
}
