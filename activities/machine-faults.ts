import { tmpdir } from 'node:os';
import { Fault, isFault } from '../lib/fault.ts';
import { reasonOf } from './error-text.ts';

/**
 * What a worker's machine lacks, as a fault that names it and the way out; null for all other errors. By themselves such errors
 * say that a server does not answer (a connection is a file, too), or that samflow has a bug (an array that finds no memory is a
 * RangeError). Another attempt, here or on another worker, may find what it needs.
 */
export function machineFault(error: unknown): Fault | null {
  const reason = reasonOf(error) ?? '';
  if (HANDLES.has(reason)) return noHandles(reason, error);
  if (isFault(error)) return null;
  if (FULL.has(reason)) return noRoom(reason, error);
  if (CLOSED.has(reason) && isTemporary(error)) return noFolder(reason, error);
  return isMemory(error, reason) ? noMemory(error) : null;
}

const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const CLOSED: ReadonlySet<string> = new Set(['EROFS', 'EACCES', 'EPERM', 'ENOENT', 'ENOTDIR']);
const HANDLES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE']);

/** Node's and the engine's own words for it, and those of the native runtime, of CUDA and of WebGPU. */
const OUT_OF_MEMORY =
  /array buffer allocation failed|bad[ _]alloc|failed to allocate memory|out of memory|could not allocate|CU\w+_ALLOC_FAILED/i;
const MEMORY_CODES: ReadonlySet<string> = new Set(['ERR_WORKER_OUT_OF_MEMORY', 'ERR_MEMORY_ALLOCATION_FAILED']);

function isMemory(error: unknown, reason: string): boolean {
  if (!(error instanceof Error)) return false;
  const code = String((error as NodeJS.ErrnoException).code ?? '');
  return reason === 'ENOMEM' || MEMORY_CODES.has(code) || OUT_OF_MEMORY.test(error.message);
}

const isTemporary = (error: unknown): boolean =>
  String((error as NodeJS.ErrnoException).path ?? '').startsWith(tmpdir());

const AT = 'TMPDIR of the worker';

function noRoom(reason: string, cause: unknown): Fault {
  const found = `no space left (${reason})`;
  const fix = 'Free space in that folder, or let TMPDIR name one on a larger disk';
  return new Fault('DISK_FULL', { at: AT, found, expected: 'room for temporary files', fix }, { cause });
}

function noFolder(reason: string, cause: unknown): Fault {
  const found = `a folder that cannot be written to (${reason})`;
  const fix = 'Let TMPDIR name a folder that the worker may write to';
  return new Fault('DISK_DENIED', { at: AT, found, expected: 'a place for temporary files', fix }, { cause });
}

function noHandles(reason: string, cause: unknown): Fault {
  const found = `no file handle left (${reason})`;
  const expected = 'handles for files and connections';
  const fix = 'Raise the limit of open files (`ulimit -n`) where the worker is started';
  return new Fault('WORKER_FILE_HANDLES', { at: 'the worker', found, expected, fix }, { cause });
}

function noMemory(cause: unknown): Fault {
  const found = 'no memory left';
  const expected = 'memory for the model, its data and a batch';
  const fix = 'Give the worker more memory, or set `training.batchBoxes` or `model.inputSize` lower';
  return new Fault('WORKER_OUT_OF_MEMORY', { at: 'the worker', found, expected, fix }, { cause });
}
