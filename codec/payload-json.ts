import type { Payload } from '@temporalio/common';

interface PayloadJson {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly data?: string;
}

/** Payloads as JSON writes protocol buffers: bytes in base64. Null for a body that is something else. */
export function readPayloads(body: Uint8Array): Payload[] | null {
  try {
    const { payloads = [] }: { payloads?: unknown } = JSON.parse(Buffer.from(body).toString('utf8'));
    return Array.isArray(payloads) ? payloads.map(payloadOf) : null;
  } catch {
    return null;
  }
}

function payloadOf({ metadata = {}, data }: PayloadJson): Payload {
  const entries = Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value, 'base64')]);
  return { metadata: Object.fromEntries(entries), data: Buffer.from(data ?? '', 'base64') };
}

export function payloadsToJson(payloads: readonly Payload[]): { readonly payloads: readonly PayloadJson[] } {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  return {
    payloads: payloads.map(({ metadata, data }) => ({
      metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([name, value]) => [name, base64(value)])),
      ...(data && { data: base64(data) }),
    })),
  };
}
