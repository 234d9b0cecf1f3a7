import { sizeOf } from '../graph/index.ts';
import type { SamConfig } from './config.ts';
import { formula } from './formula.ts';
import { belongsTo, type ModelPart, parameterShapes, type SamModel } from './model.ts';
import { readProcessor } from './processor.ts';

/**
 * A model of a configuration's shape with weights by formula: what it takes does not depend on values, so time and memory
 * can be measured before a checkpoint is fetched.
 */
export function madeUpModel(config: SamConfig, part: ModelPart = 'whole'): SamModel {
  const shapes = parameterShapes(config);
  const asked = [...shapes].filter(([name]) => belongsTo(part, name));
  const tensors = new Map(
    asked.map(([name, shape]) => {
      const isScale = name.includes('norm') && name.endsWith('.weight');
      const inputs = shape.length > 1 ? sizeOf(shape.slice(1)) : 1;
      // Activations of order one in every layer: no denormal number, which would be slow, and no overflow.
      const scale = isScale || shape.length === 1 ? 0.1 : 1 / Math.sqrt(inputs);
      return [name, formula(name, sizeOf(shape), scale, isScale ? 1 : 0)] as const;
    }),
  );
  return { config, processor: readProcessor(null, config), tensors, shapes };
}
