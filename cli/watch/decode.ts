import type { Client } from '@temporalio/client';
import type { Payload } from '@temporalio/common';
import { isFault } from '../../lib/fault.ts';

/** What the client's own calls leave as the server sends it. */
interface RawFailure {
  readonly message?: string | null | undefined;
  readonly encodedAttributes?: Payload | null | undefined;
}

/** A payload's value; null where there is none or it cannot be understood. @throws Fault PAYLOAD_… of the codec */
export async function payloadValue(client: Client, payload: Payload | null | undefined): Promise<unknown> {
  if (!payload) return null;
  try {
    return await decodePayload(client, payload);
  } catch (error) {
    if (isFault(error)) throw error;
    return null;
  }
}

/** A payload's value. Throws where it cannot be understood. */
export async function decodePayload({ options }: Client, payload: Payload): Promise<unknown> {
  const { payloadCodecs, payloadConverter } = options.loadedDataConverter;
  let payloads = [payload];
  for (const codec of payloadCodecs.toReversed()) payloads = await codec.decode(payloads);
  return payloadConverter.fromPayload(payloads[0]!);
}

/** The message of a failure, which lies in its encoded attributes where a codec is used. */
export async function messageOf(client: Client, failure: RawFailure | null | undefined): Promise<string | null> {
  const attributes = await payloadValue(client, failure?.encodedAttributes);
  const encoded = (attributes as { readonly message?: unknown } | null)?.message;
  return typeof encoded === 'string' ? encoded : (failure?.message ?? null);
}
