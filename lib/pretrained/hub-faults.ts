import { Fault } from '../fault.ts';
import { diskFault } from '../http/fetch-into.ts';
import type { HttpFaults } from '../http/request.ts';

/**
 * What goes wrong with a model of the hub; `model` is the reference, `hf:owner/name@revision`. No sentence names the address of
 * a file, which may be signed.
 */
export function hubFaults(model: string, { endpoint, token }: { endpoint: string; token: string | null }): HttpFaults {
  const fault = (code: string, found: string, expected: string, fix: string, cause?: unknown): Fault =>
    new Fault(code, { at: model, found, expected, fix }, { cause });
  return {
    refused({ status, headers }) {
      const found = `HTTP ${status}${reasonIn(headers)}`;
      if (status === 401 || status === 403) return fault('HUB_DENIED', found, 'a model that may be read', wayIn(token));
      if (status === 404 || status === 410) {
        const fix = 'Check owner, name and revision; a private model needs HF_TOKEN on the io worker';
        return fault('HUB_MISSING', found, 'a model on the hub', fix);
      }
      return fault('HUB_REFUSED', found, 'the model', 'Open the page of the model to see what the hub says');
    },
    downgraded() {
      const found = 'a redirection from https to http';
      return fault('HUB_REFUSED', found, 'an encrypted connection', 'Check HF_ENDPOINT of the io worker');
    },
    unreachable(reason, cause) {
      const fix =
        'Check the network, or HF_ENDPOINT of the io worker; what was fetched is kept, and the next try goes on from there';
      return fault('HUB_UNREACHABLE', reason, `an answer from ${new URL(endpoint).host}`, fix, cause);
    },
    local: (error) => diskFault(model, error) ?? error,
  };
}

/** The hub's own word for the reason, e.g. GatedRepo. */
function reasonIn(headers: Headers): string {
  const code = headers.get('x-error-code') ?? '';
  return /^\w{1,40}$/.test(code) ? ` (${code})` : '';
}

function wayIn(token: string | null): string {
  return token === null
    ? 'Check owner and name; for a private or gated model set HF_TOKEN on the io worker to a token that may read it'
    : 'Check owner and name, and that the token in HF_TOKEN of the io worker is valid; a gated model asks its reader to accept its terms on its page';
}
