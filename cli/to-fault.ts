import { NamespaceNotFoundError } from '@temporalio/common';
import { Fault, isFault } from '../lib/fault.ts';

/**
 * The one place that makes a sentence of what the file system, Temporal's client and its configuration throw. They say what
 * is wrong by class, number or text; none says what to do about it. What nobody expected is a bug of ours.
 */
export function toFault(error: unknown): Fault {
  if (isFault(error)) return error;
  return namespaceFault(error) ?? configurationFault(error) ?? grpcFault(error) ?? fileFault(error) ?? bug(error);
}

/** `details` in the order in which the sentence has them. */
const fault = (
  cause: unknown,
  code: string,
  ...details: [at: string, found: string, expected: string, fix: string]
) => {
  const [at, found, expected, fix] = details;
  return new Fault(code, { at, found, expected, fix }, { cause });
};

/** The client has a class for it, the worker's core a text. */
function namespaceFault(error: unknown): Fault | null {
  const named = /^Namespace (\S+) was not found/.exec(error instanceof Error ? error.message : '')?.[1];
  const namespace = error instanceof NamespaceNotFoundError ? error.namespace : named;
  if (namespace === undefined) return null;
  const fix = `Correct TEMPORAL_NAMESPACE, or create it with \`temporal operator namespace create --namespace ${namespace}\``;
  return fault(error, 'CONFIG', 'TEMPORAL_NAMESPACE', `\`${namespace}\``, 'a namespace that the server knows', fix);
}

/** @temporalio/envconfig: a profile that is not in its file, and a file that is no TOML. */
function configurationFault(error: unknown): Fault | null {
  if (!(error instanceof Error)) return null;
  const profile = /^Profile '(.*)' not found in config data$/.exec(error.message)?.[1];
  if (profile !== undefined) {
    const fix = 'Correct TEMPORAL_PROFILE, or add the profile to the file (`temporal config set` does)';
    return fault(
      error,
      'CONFIG',
      'TEMPORAL_PROFILE',
      `\`${profile}\``,
      'a profile of Temporal’s configuration file',
      fix,
    );
  }
  if (!('codeblock' in error) || !('line' in error)) return null;
  // Its first line alone: the others quote the file, and an API key may stand there.
  const found = `no TOML in line ${error.line} (${firstLine(error.message)})`;
  return fault(error, 'CONFIG', 'TEMPORAL_CONFIG_FILE', found, 'Temporal’s configuration file', 'Correct the line');
}

/** gRPC's numbers of what can go wrong between a client and a server. */
export const GRPC = { deadlineExceeded: 4, permissionDenied: 7, unavailable: 14, unauthenticated: 16 } as const;

/** An answer of Temporal's server that is an error, or none. */
function grpcFault(error: unknown): Fault | null {
  const status = grpcStatus(error);
  if (status === null) return null;
  const { code, details } = status;
  const said = firstLine(details);
  if (code === GRPC.unavailable || code === GRPC.deadlineExceeded) {
    const fix = 'Start the server, or look at its log; then start the command again';
    return fault(error, 'TEMPORAL_UNREACHABLE', 'Temporal', `no answer (${said})`, 'a server that answers', fix);
  }
  if (code === GRPC.permissionDenied || code === GRPC.unauthenticated) {
    const fix = 'Check TEMPORAL_API_KEY and the TEMPORAL_TLS_… variables, or the profile that holds them';
    return fault(error, 'TEMPORAL_DENIED', 'Temporal', `a refusal (${said})`, 'credentials that may do this', fix);
  }
  const fix = 'Look at the server’s log';
  return fault(error, 'TEMPORAL_FAILED', 'Temporal', `an error (${said})`, 'an answer', fix);
}

/** Status of the gRPC call that failed, wherever in the causes it stands; null where none did. */
export function grpcStatus(error: unknown): { code: number; details: string } | null {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'number' && 'details' in at) {
      return { code: at.code, details: String(at.details) };
    }
  }
  return null;
}

/** The system's answers about a file or folder, as what is there. */
const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'nothing at this path',
  ENOTDIR: 'a file where a folder should be',
  EEXIST: 'a file where a folder should be',
  EISDIR: 'a folder where a file should be',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'a disk that cannot be written to',
  ENAMETOOLONG: 'a name that is too long',
  ELOOP: 'links that go round in a circle',
};

function fileFault(error: unknown): Fault | null {
  const { code = '', path, syscall } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  if (path === undefined || syscall === undefined) return null;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return fault(error, 'DISK_FULL', path, 'no space left', 'room for the file', 'Free space there');
  }
  const found = `${FILE_ERRORS[code] ?? 'an error of the file system'} (${code}, ${syscall})`;
  const fix = 'Correct the path, or its permissions';
  return fault(error, 'FILE_ACCESS', path, found, 'a file or folder that can be used', fix);
}

function bug(error: unknown): Fault {
  const { name, message } = error instanceof Error ? error : { name: 'thrown', message: String(error) };
  const found = `a bug of its own (${name}: ${firstLine(message)})`;
  const fix = 'Report it as CONTRIBUTING.md says; SAMFLOW_DEBUG=1 shows where it happened';
  return fault(error, 'INTERNAL_ERROR', 'samflow', found, 'none', fix);
}

const firstLine = (text: string): string => text.split('\n', 1)[0]!.slice(0, 300);
