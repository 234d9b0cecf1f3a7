import { Fault } from '../fault.ts';

/** Where `model.checkpoint` points. */
export type Reference =
  /** A path, or the name of a model that comes with samflow. */
  | { readonly kind: 'folder'; readonly path: string }
  /** `s3://bucket/prefix`; the prefix is without slashes at its ends. */
  | { readonly kind: 'bucket'; readonly bucket: string; readonly prefix: string }
  /** `hf:owner/name[@revision]`; a revision is a branch, a tag or a commit. */
  | { readonly kind: 'hub'; readonly repository: string; readonly revision: string };

const DEFAULT_REVISION = 'main';
const HUB_NAME = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/;
const HUB_REVISION = /^[A-Za-z0-9][\w.-]*(?:\/[\w.-]+)*$/;
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
/** Two letters or more, so that `C:\models` is a path. */
const SCHEME = /^([a-z][a-z0-9+.-]+):/i;

/** @throws Fault MODEL_REFERENCE */
export function parseReference(text: string): Reference {
  const scheme = SCHEME.exec(text)?.[1]?.toLowerCase();
  switch (scheme) {
    case undefined:
      return { kind: 'folder', path: text };
    case 'hf':
      return parseHub(text);
    case 's3':
      return parseBucket(text);
    default:
      throw refusal(text, 'a folder, s3://bucket/prefix or hf:owner/name', 'Name the model in one of these ways');
  }
}

function parseHub(text: string): Reference {
  const [repository = '', revision = DEFAULT_REVISION, ...rest] = text.slice('hf:'.length).split('@');
  if (HUB_NAME.test(repository) && HUB_REVISION.test(revision) && !revision.includes('..') && rest.length === 0) {
    return { kind: 'hub', repository, revision };
  }
  const fix = 'Write it as the page of the model does, e.g. hf:facebook/sam-vit-base or hf:facebook/sam-vit-base@main';
  throw refusal(text, 'hf:owner/name or hf:owner/name@revision', fix);
}

function parseBucket(text: string): Reference {
  const [, bucket = '', path = ''] = /^s3:\/\/([^/]*)(.*)$/i.exec(text) ?? [];
  if (BUCKET.test(bucket)) return { kind: 'bucket', bucket, prefix: path.replace(/^\/+|\/+$/g, '') };
  throw refusal(text, 's3://bucket/prefix', 'Write bucket and prefix, e.g. s3://models/sam-vit-base');
}

/** For a path where nothing is: the model of the hub that may have been meant. */
export const hubSuggestion = (path: string): string | null => (HUB_NAME.test(path) ? `hf:${path}` : null);

function refusal(text: string, expected: string, fix: string): Fault {
  return new Fault('MODEL_REFERENCE', { at: 'model.checkpoint', found: `\`${text}\``, expected, fix });
}
