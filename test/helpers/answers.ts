import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** A server in front of another one: passes requests on, and keeps the status of each answer. */
export async function keepAnswers(url: string): Promise<{ url: string; statuses: number[]; close(): void }> {
  const statuses: number[] = [];
  const server = createServer(async (request, response) => {
    const { method = 'GET', headers } = request;
    const { authorization, 'content-type': type } = headers;
    const answer = await fetch(`${url}${request.url}`, {
      method,
      headers: { ...(authorization && { authorization }), ...(type && { 'content-type': type }) },
      ...(method === 'POST' && { body: await buffer(request) }),
    });
    statuses.push(answer.status);
    const body = Buffer.from(await answer.arrayBuffer());
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    statuses,
    close: () => void server.close().closeAllConnections(),
  };
}
