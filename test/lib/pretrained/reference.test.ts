import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hubSuggestion, parseReference } from '../../../lib/pretrained/reference.ts';
import { assertFault } from '../../helpers/faults.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';

describe('model.checkpoint', () => {
  const CASES: [text: string, expected: object][] = [
    ['sam-nano', { kind: 'folder', path: 'sam-nano' }],
    ['../models/sam', { kind: 'folder', path: '../models/sam' }],
    ['facebook/sam-vit-base', { kind: 'folder', path: 'facebook/sam-vit-base' }],
    ['C:\\models\\sam', { kind: 'folder', path: 'C:\\models\\sam' }],
    ['s3://models', { kind: 'bucket', bucket: 'models', prefix: '' }],
    ['s3://my.models-1/sam/vit-b/', { kind: 'bucket', bucket: 'my.models-1', prefix: 'sam/vit-b' }],
    ['hf:facebook/sam-vit-base', { kind: 'hub', repository: 'facebook/sam-vit-base', revision: 'main' }],
    [`hf:a/b@${COMMIT}`, { kind: 'hub', repository: 'a/b', revision: COMMIT }],
    ['hf:a/b@refs/pr/3', { kind: 'hub', repository: 'a/b', revision: 'refs/pr/3' }],
  ];
  for (const [text, expected] of CASES) {
    it(`takes ${text} for a ${(expected as { kind: string }).kind}`, () =>
      assert.deepEqual(parseReference(text), expected));
  }

  const REFUSED: [text: string, message: RegExp][] = [
    ['hf:sam-vit-base', /expected hf:owner\/name or hf:owner\/name@revision/],
    ['hf:facebook/sam/base', /e\.g\. hf:facebook\/sam-vit-base/],
    ['hf:../secrets', /`hf:\.\.\/secrets`/],
    ['hf:a/b@', /hf:owner\/name@revision/],
    ['hf:a/b@../../x', /hf:owner\/name@revision/],
    ['hf:a/b@x@y', /hf:owner\/name@revision/],
    ['s3:models', /expected s3:\/\/bucket\/prefix/],
    ['s3://Models/sam', /expected s3:\/\/bucket\/prefix/],
    ['https://huggingface.co/facebook/sam-vit-base', /a folder, s3:\/\/bucket\/prefix or hf:owner\/name/],
  ];
  for (const [text, message] of REFUSED) {
    it(`refuses ${text} and says how it is written`, () =>
      assertFault(() => parseReference(text), 'MODEL_REFERENCE', message));
  }

  it('that is a path without a folder may be meant as a name of the hub, where it looks like one', () => {
    assert.equal(hubSuggestion('facebook/sam-vit-base'), 'hf:facebook/sam-vit-base');
    for (const path of ['../sam', './sam', '/models/sam', 'a/b/c', 'sam'])
      assert.equal(hubSuggestion(path), null, path);
  });
});
