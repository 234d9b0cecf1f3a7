import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkpointText } from '../../../lib/sam/checkpoint-json.ts';

test('real numbers keep their decimal point, whole ones get none: transformers tells them apart', () => {
  const json = { vision_config: { mlp_ratio: 4, hidden_size: 768, layer_norm_eps: 1e-6 }, image_mean: [0, 0.5, 1] };
  const text = checkpointText(json);
  assert.match(text, /"mlp_ratio": 4\.0,/);
  assert.match(text, /"hidden_size": 768,/);
  assert.match(text, /0\.0,\s+0\.5,\s+1\.0/);
  assert.deepEqual(JSON.parse(text), json);
});
