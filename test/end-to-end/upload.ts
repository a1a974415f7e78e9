import { request } from "node:http";

export interface Uploaded {
  readonly status: number;
  readonly code: string | undefined;
  /** Characters that had been handed over when it was answered. */
  readonly sent: number;
}

/** A submit to the service at `url`, written by hand, piece by piece. */
export async function upload(
  url: string,
  headers: Record<string, string>,
  body: (send: (text: string) => Promise<void>, answered: () => boolean) => Promise<void>,
): Promise<Uploaded> {
  const { hostname, port } = new URL(url);
  const sending = request({
    ...{ hostname, port, path: "/api/jobs", method: "POST" },
    headers: { authorization: "Bearer local-team-a", "content-type": "application/json", ...headers },
  });
  let sent = 0;
  let answered = false;
  const answer = new Promise<{ status: number; text: string }>((resolve, reject) => {
    sending.on("response", (response) => {
      answered = true;
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    // Once it has answered, the service may close: what is still being sent then fails.
    sending.on("error", (thrown) => {
      if (!answered) reject(thrown);
    });
  });
  const send = (text: string) => {
    sent += text.length;
    return new Promise<void>((resolve) => sending.write(text, () => resolve()));
  };
  const write = async () => {
    await body(send, () => answered);
    sending.end();
  };
  if (headers.expect === undefined) await Promise.race([write(), answer]);
  else {
    sending.once("continue", () => void write());
    sending.flushHeaders();
  }
  const { status, text } = await answer;
  sending.destroy();
  return { status, code: JSON.parse(text).code, sent };
}
