/**
 * `source` in one word, as people name data: `kaggle:owner/slug[@version]`, `s3://bucket/key`, an http(s) address, `phantom`,
 * or a path. What the word says wrong is left for the schema to refuse, key by key.
 */
export function sourceOf(word: string): Record<string, unknown> {
  const kaggle = /^kaggle:([^@]*)(?:@(.*))?$/.exec(word);
  if (kaggle) {
    const [, dataset, version] = kaggle;
    return { kind: 'kaggle', dataset, ...(version !== undefined && { version: numberOr(version) }) };
  }
  const s3 = /^s3:\/\/([^/]*)\/?(.*)$/.exec(word);
  if (s3) return { kind: 's3', bucket: s3[1], key: s3[2] };
  if (/^https?:\/\//.test(word)) return { kind: 'http', url: word };
  return word === 'phantom' ? { kind: 'phantom' } : { kind: 'local', path: word };
}

const numberOr = (text: string): number | string => (/^\d+$/.test(text) ? Number(text) : text);
