import { type Value, withFewBuffers } from '../graph/index.ts';
import { emitModel } from '../onnx/emit.ts';
import { Session, type SessionOptions } from '../runtime/session.ts';

/** A session of the graph behind the outputs, written for the device that is to run it. */
export function openSession(outputs: Readonly<Record<string, Value>>, options: SessionOptions): Promise<Session> {
  return Session.open(emitModel(options.device === 'webgpu' ? withFewBuffers(outputs) : outputs), options);
}
