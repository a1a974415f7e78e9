import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describeMachine } from "./machine.ts";
import { head, row, timed } from "./measure.ts";
import { Stack } from "./stack.ts";

/**
 * `--mb N` (200): a file up and down, then four up at once: MB a second, request units, memory of the host. Any work
 * fills the young generation of a fresh host's heap: some small requests come first, to tell that apart.
 */
const at = process.argv.indexOf("--mb");
const megabytes = at < 0 ? 200 : Number(process.argv[at + 1]);
const MB = 1_000_000;
const TOGETHER = 4;
const SMALL_REQUESTS = 3_000;
const SMALL_AT_ONCE = 8;
const headers = { authorization: "Bearer local-team-a" };
const LOOK_MS = 20;

describeMachine();
// Its own pace would be all that is measured.
const stack = await Stack.start({
  env: { FILES_MB_PER_SECOND: "1000", FILES_MB_PER_TENANT: String(megabytes * (TOGETHER + 1)) },
});
const chunk = Buffer.alloc(MB, "a line of some file\n");
const boundary = "----------------------------bench";

/** A form as a client sends it that knows its length, from a file that it never has whole. */
async function upload(): Promise<string> {
  const part = 'content-disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n';
  const before = Buffer.from(
    `--${boundary}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n--${boundary}\r\n${part}`,
  );
  const after = Buffer.from(`\r\n--${boundary}--\r\n`);
  async function* body() {
    yield before;
    for (let n = 0; n < megabytes; n++) yield chunk;
    yield after;
  }
  const asked = request(`${stack.url}/openai/v1/files`, {
    method: "POST",
    headers: {
      ...headers,
      "content-type": `multipart/form-data; boundary=${boundary}`,
      "content-length": before.length + megabytes * MB + after.length,
    },
  });
  const answered = once(asked, "response");
  await pipeline(Readable.from(body()), asked);
  const [answer] = (await answered) as [IncomingMessage];
  const text = Buffer.concat(await answer.toArray()).toString();
  if (answer.statusCode !== 200) throw new Error(text);
  return (JSON.parse(text) as { id: string }).id;
}

async function download(id: string): Promise<number> {
  const answer = await fetch(`${stack.url}/openai/v1/files/${id}/content`, { headers });
  let bytes = 0;
  for await (const part of answer.body ?? []) bytes += part.length;
  return bytes;
}

const memory = { app: 0 };
const look = setInterval(() => {
  memory.app = Math.max(memory.app, stack.memoryMb().app);
}, LOOK_MS);

async function measure(name: string, size: number, work: () => Promise<unknown>): Promise<void> {
  memory.app = 0;
  const idle = stack.memoryMb().app;
  const before = await stack.counters();
  const startMs = performance.now();
  await work();
  const seconds = (performance.now() - startMs) / 1000;
  const units =
    ((await stack.counters())["Cosmos request_units"] ?? 0) - (before["Cosmos request_units"] ?? 0);
  row(
    name,
    (size / seconds).toFixed(0),
    (units / size).toFixed(0),
    Math.round(idle),
    Math.round(memory.app - idle),
  );
}

head("what", "MB a second", "RU a MB", "host before, MB", "above that at most, MB");
let id = "";
await measure(`${SMALL_REQUESTS} small requests`, 1, () =>
  timed(SMALL_REQUESTS, SMALL_AT_ONCE, async () => {
    await (await fetch(`${stack.url}/openai/v1/files`, { headers })).text();
  }),
);
await measure(`${megabytes} MB up`, megabytes, async () => {
  id = await upload();
});
await measure("the same down", megabytes, async () => {
  if ((await download(id)) !== megabytes * MB) throw new Error("bytes are missing");
});
await measure(`${TOGETHER} up at once`, TOGETHER * megabytes, () =>
  Promise.all(Array.from({ length: TOGETHER }, upload)),
);
clearInterval(look);
await stack.stop();
