import { readFileSync } from 'node:fs';
import { decodeSafetensors } from '../../lib/safetensors.ts';
import { readSamModel, type SamModel } from '../../lib/sam/model.ts';

const folder = new URL('../../models/sam-nano/', import.meta.url);
const json = (name: string): unknown => JSON.parse(readFileSync(new URL(name, folder), 'utf8'));

/** The small checkpoint that comes with samflow: 256 px, 16 x 16 grid, trained on procedural images. */
export const nanoModel = (): SamModel =>
  readSamModel({
    config: json('config.json'),
    preprocessor: json('preprocessor_config.json'),
    tensors: decodeSafetensors(readFileSync(new URL('model.safetensors', folder))).tensors,
  });
