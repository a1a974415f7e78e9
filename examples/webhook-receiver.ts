import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import OpenAI from "openai";

/**
 * A server that is called back: it makes an endpoint of itself, takes each event once, and asks for what it is about.
 *
 *   npm start                           in one terminal
 *   node examples/webhook-receiver.ts   in another (Node 24)
 *
 * SERVICE_URL, API_KEY and PORT say where the service is, who asks, and where this listens.
 */
const { SERVICE_URL = "http://127.0.0.1:7071", API_KEY = "local-team-a", PORT = "0" } = process.env;
const client = new OpenAI({ baseURL: `${SERVICE_URL}/openai/v1`, apiKey: API_KEY });

let secret = "";
/** An event may come twice, with the same id. A real receiver keeps these where it keeps its work. */
const seen = new Set<string>();

const server = createServer(async (request, response) => {
  const payload = await textOf(request);
  try {
    // Checks the signature and the time of the raw text; throws where either does not hold.
    await client.webhooks.unwrap(payload, request.headers as Record<string, string>, secret);
  } catch {
    response.writeHead(400).end();
    return;
  }
  // Taken: whatever takes long comes after the answer.
  response.writeHead(204).end();
  const event = JSON.parse(payload) as { id: string; type: string; data: { id: string } };
  if (seen.has(event.id)) return;
  seen.add(event.id);
  console.log(`${event.type} ${event.data.id}`);
  if (event.type === "job.completed") console.log(await answerOf(event.data.id));
});

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function answerOf(jobId: string): Promise<string> {
  const headers = { authorization: `Bearer ${API_KEY}` };
  const job = await (await fetch(`${SERVICE_URL}/api/jobs/${jobId}`, { headers })).json();
  return (
    job as { response: { body: { choices: { message: { content: string } }[] } } }
  ).response.body.choices
    .map(({ message }) => message.content)
    .join("\n");
}

server.listen(Number(PORT), "127.0.0.1", async () => {
  const { port } = server.address() as AddressInfo;
  const endpoint = await client.webhooks.create({
    name: "webhook-receiver",
    url: `http://127.0.0.1:${port}/`,
    // The service's own events are not in the SDK's types.
    event_types: ["job.completed", "job.failed", "comparison.ended"] as never,
  });
  secret = endpoint.signing_secret;
  console.log(`listens at ${endpoint.url} as ${endpoint.id}`);
  process.once("SIGINT", async () => {
    await client.webhooks.delete(endpoint.id);
    process.exit();
  });
});
