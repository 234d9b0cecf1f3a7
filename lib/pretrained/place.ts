import type { ByteSource } from '../artifacts/store.ts';
import { Fault } from '../fault.ts';

/** One state of a file: its size, and what tells it from another state under the same name. */
export interface FileState {
  readonly bytes: number;
  readonly version: string;
}

/** A file that is read piece by piece. A read that meets another state of it throws MODEL_FILE_CHANGED. */
export interface ModelFile extends ByteSource {
  /** SHA-256 (hex), where it was verified. */
  readonly sha256?: string;
}

/** A model folder in Hugging Face layout, wherever it is. */
export interface Place {
  /** A short name of the model, for people. */
  readonly name: string;
  /** The reference by which it is found; of the hub, with the commit. */
  readonly origin: string;
  /** True where `origin` alone says which bytes are meant. */
  readonly pinned: boolean;
  /** Null where there is no such file. */
  state(file: string): Promise<FileState | null>;
  /** Null where there is no such file. Fetches it first where it is not within reach. */
  open(file: string): Promise<ModelFile | null>;
  /** Gives back the room of what was fetched only to be read here. */
  discard(): Promise<void>;
}

export function fileChanged(file: string): Fault {
  return new Fault('MODEL_FILE_CHANGED', {
    at: file,
    found: 'another file than when reading began',
    expected: 'the same file until it is read',
    fix: 'Start again when the checkpoint is complete',
  });
}
