/**
 * The buffers that a message between threads can move instead of copy: those of views that own their whole buffer, found
 * anywhere in plain objects, arrays and maps. A view of a part of a buffer (a pooled Buffer, a tensor of a file) is copied.
 */
export function movableBuffers(value: unknown, found = new Set<ArrayBuffer>()): ArrayBuffer[] {
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteLength } = value;
    if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength && byteLength > 0) found.add(buffer);
  } else if (value instanceof Map || Array.isArray(value)) {
    for (const member of value.values()) movableBuffers(member, found);
  } else if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) movableBuffers(member, found);
  }
  return [...found];
}
