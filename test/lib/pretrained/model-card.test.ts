import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { type ModelCard, modelCard } from '../../../lib/pretrained/model-card.ts';

const CARD: ModelCard = {
  ...{ name: 'liver-ct', target: 'liver', run: 'liver-ct-0123456789ab', dataDigest: 'd'.repeat(64) },
  ...{ base: `hf:facebook/sam-vit-base@${'a'.repeat(40)}`, baseSha256: 'b'.repeat(64) },
  ...{ zeroShot: { dice: 0.71239, iou: 0.6 }, fineTuned: { dice: 0.9, iou: 0.85 } },
  ...{
    patients: { train: 8, val: 1, test: 2 },
    window: '`soft-tissue`',
    inputSize: 1024,
    axis: 'axial',
    boxes: 'one for each part',
  },
};

describe('a model card', () => {
  it('names run, data, base model, window and scores', () => {
    const text = modelCard(CARD);
    for (const word of [CARD.run, CARD.dataDigest, CARD.base, CARD.baseSha256, CARD.window, '0.7124', '0.9000']) {
      assert.ok(text.includes(word), word);
    }
    assert.match(text, /upper bound/);
  });

  it('begins with what the hub reads, and names the base model where the hub has it', () => {
    const front = (text: string) => parse(/^---\n([\s\S]*?)---\n/.exec(text)![1]!);
    assert.equal(front(modelCard(CARD)).base_model, 'facebook/sam-vit-base');
    assert.deepEqual(Object.keys(front(modelCard({ ...CARD, base: 'sam-nano' }))), [
      'library_name',
      'pipeline_tag',
      'tags',
    ]);
  });

  it('is the same for the same run', () => assert.equal(modelCard(CARD), modelCard({ ...CARD })));
});
