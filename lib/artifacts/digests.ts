/** What of a request to S3 is looked at. */
interface HttpRequest {
  readonly headers: Record<string, string>;
}

/** Input of an operation whose body the caller has hashed already. */
interface Hashed {
  readonly Body?: unknown;
  /** Base64. */
  readonly ChecksumSHA256?: string;
}

/**
 * Middleware of the AWS client, for its step `build`: bytes are hashed once on their way out and once on their way in, by us. The
 * signature takes the digest that the caller gives for the server to check, and an answer brings the digest that the server keeps
 * for the reader to compare, where the client would have hashed the body itself (signature version 4 and flexible checksums
 * of the S3 reference).
 */
export const hashedOnce =
  <A extends { input: object; request?: unknown }, R>(
    next: (args: A) => Promise<R>,
    { commandName = '' }: { commandName?: string },
  ) =>
  (args: A): Promise<R> => {
    const { Body, ChecksumSHA256 } = args.input as Hashed;
    const { headers } = args.request as HttpRequest;
    if (Body !== undefined && ChecksumSHA256 !== undefined) {
      headers['x-amz-content-sha256'] = Buffer.from(ChecksumSHA256, 'base64').toString('hex');
    }
    if (commandName === 'GetObjectCommand') headers['x-amz-checksum-mode'] = 'ENABLED';
    return next(args);
  };
