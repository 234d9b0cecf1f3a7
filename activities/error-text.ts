import { basename } from 'node:path';

/**
 * What may be told of an error that somebody else has made. Histories and logs are read by people whom patients' names do not
 * concern, and the file system's errors carry whole paths: in their message, in properties and in every cause.
 */

/**
 * A path that nobody has named, quoted or not, or text that was read (JSON's errors quote it), and all that follows. Not the
 * `i/o error` of EIO.
 */
const FOREIGN = /(?:"|'[^']*[/\\]|(?<!\S)(?!i\/o\b)\S*[/\\]).*$/;

/** The first line of what an error says, without paths. A long text (a stack, a list of issues) is no sentence. */
export function sentenceOf(error: unknown): string {
  const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
  const [line = ''] = message.split('\n', 1);
  const told = withBaseNames(line, error).replace(FOREIGN, '…').slice(0, 500);
  const sentence = told === '…' ? name : told;
  const reason = reasonOf(error);
  return reason === undefined || sentence.includes(reason) ? sentence : `${sentence} (${reason})`;
}

/** Text without the paths that the errors behind it name: a file's base name is all that is told of it. */
export function withBaseNames(text: string, error: unknown): string {
  const paths = chainOf(error).flatMap(({ path, dest }) => [path, dest]);
  return paths.reduce<string>(
    (told, path) => (typeof path === 'string' && path !== '' ? told.replaceAll(path, () => basename(path)) : told),
    text,
  );
}

/** The system's own word for what happened, e.g. `EACCES` or `ECONNREFUSED`: of the error itself, or of one behind it. */
export function reasonOf(error: unknown): string | undefined {
  const codes = chainOf(error).map(({ code }) => code);
  return codes.find((code): code is string => typeof code === 'string' && /^E[A-Z0-9_]+$/.test(code));
}

/** Where in the code it happened, for the log: lines of the stack without the message above them. */
export function framesOf(error: unknown): string[] {
  const stack = (error instanceof Error && error.stack) || '';
  return stack.split('\n').filter((line) => /^\s+at /.test(line));
}

type Link = Error & { readonly [K in 'code' | 'path' | 'dest']?: unknown };

/** An error and the causes behind it, from the outside in. */
function chainOf(error: unknown): Link[] {
  const chain: Link[] = [];
  for (let at = error; at instanceof Error && !chain.includes(at); at = at.cause) chain.push(at);
  return chain;
}
