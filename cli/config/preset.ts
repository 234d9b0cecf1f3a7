import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { WrittenConfig } from '../../contracts/config.ts';

const Preset = WrittenConfig.shape.preset;

/**
 * Lays the preset that a configuration names under what the user wrote: section by section, key by key, and the user's key
 * goes first. A value is taken whole, so the halves of two windows never mix. A name that no preset has is left to the schema.
 */
export function withPreset(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const preset = Preset.safeParse(config.preset).data;
  if (preset === undefined) return { ...config };
  const file = new URL(`../../presets/${preset}.yaml`, import.meta.url);
  const settings = Object.entries(parse(readFileSync(file, 'utf8')) as Record<string, object>);
  return {
    ...config,
    ...Object.fromEntries(settings.map(([name, section]) => [name, laidUnder(section, config[name])])),
  };
}

/** What the user wrote in place of a section is left for the schema to refuse. */
function laidUnder(section: object, written: unknown): unknown {
  if (written === undefined) return section;
  const isSection = typeof written === 'object' && written !== null && !Array.isArray(written);
  return isSection ? { ...section, ...written } : written;
}
