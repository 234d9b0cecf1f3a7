import { createRequire } from 'node:module';

/**
 * Reads a workflow history from JSON as Temporal's command writes it.
 *
 * The SDK's own reader looks its types up with one copy of protobufjs and checks them with another, where npm installs two
 * (the gRPC client wants an older one), and then refuses them all. Here both come from where the types come from.
 */
export function readHistory(json: string): object {
  const sdk = createRequire(createRequire(import.meta.url).resolve('@temporalio/worker'));
  const protoPath = sdk.resolve('@temporalio/proto');
  const { fromJson } = createRequire(protoPath)('protobufjs/ext/protojson.js');
  const { patchProtobufRoot } = sdk('@temporalio/proto/lib/patch-protobuf-root');
  const type = patchProtobufRoot(sdk(protoPath)).lookupType('temporal.api.history.v1.History');
  return fromJson(type, JSON.parse(json), { ignoreUnknownFields: true });
}
