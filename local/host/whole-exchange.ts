import { answerBare } from "./bare-answer.ts";
import { describe, type Exchange, type ExchangeDependencies } from "./exchange.ts";
import { writeFunctionResponse } from "./http-response.ts";
import { announcedBytes, readBody } from "./request-body.ts";

/**
 * Runs a function on a whole request and sends its whole answer, as the cloud's host does unless the app streams. A
 * body that does not announce its length (`Transfer-Encoding: chunked`) never reaches the function, there as here.
 */
export async function answerWhole(exchange: Exchange, { invoker, log }: ExchangeDependencies): Promise<void> {
  const { match, head, request, response, authority } = exchange;
  const { fn, params } = match;
  let bytes: Buffer | undefined;
  if ((announcedBytes(request) ?? 0) > 0) {
    bytes = await readBody(request);
    // The client went away in the middle of it: no one is left to answer.
    if (bytes === undefined) return;
  }
  const { traceparent } = head.headers;
  try {
    const result = await invoker.invoke(fn, {
      data: {
        http: {
          url: `http://${authority}${request.url}`,
          method: request.method ?? "GET",
          headers: head.headers,
          params,
          ...(bytes === undefined ? {} : { body: { bytes } }),
        },
      },
      ...(traceparent === undefined ? {} : { traceParent: traceparent }),
    });
    writeFunctionResponse(response, result.returnValue?.http);
  } catch (thrown) {
    log.write("error", `Function.${fn.name}`, `The function failed: ${describe(thrown)}`);
    if (response.headersSent) response.destroy();
    else answerBare(response, 500);
  }
}
