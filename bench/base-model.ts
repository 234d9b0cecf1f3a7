import { sizeOf } from '../lib/graph/index.ts';
import { readSamConfig } from '../lib/sam/config.ts';
import { parameterShapes, type SamModel } from '../lib/sam/model.ts';
import { readProcessor } from '../lib/sam/processor.ts';
import { formula } from './formula.ts';

/**
 * A model of sam-vit-base's shape (all keys of its config.json have SamConfig's defaults) with weights by formula: speed
 * and memory do not depend on values, and nothing has to be downloaded.
 */
export function baseModel(): SamModel {
  const config = readSamConfig({});
  const shapes = parameterShapes(config);
  const tensors = new Map(
    [...shapes].map(([name, shape]) => {
      const isScale = name.includes('norm') && name.endsWith('.weight');
      const inputs = shape.length > 1 ? sizeOf(shape.slice(1)) : 1;
      // Activations of order one in every layer: no denormal number, which would be slow, and no overflow.
      const scale = isScale || shape.length === 1 ? 0.1 : 1 / Math.sqrt(inputs);
      return [name, formula(name, sizeOf(shape), scale, isScale ? 1 : 0)] as const;
    }),
  );
  return { config, processor: readProcessor(null, config), tensors, shapes };
}
