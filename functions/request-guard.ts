import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { HttpResponse, HttpResponseInit } from "@azure/functions";

/** The header by which the host says whose request it forwards. */
const INVOCATION_ID = "x-ms-invocation-id";
/** Looks at what waits before an invocation is given up, and before a request is taken for nobody's. */
const INVOCATION_LOOKS = 6;
const REQUEST_LOOKS = 3;

/** The part of `@azure/functions-core` that is used here. */
interface Invocation {
  getArguments(): Promise<{ context: object; inputs: unknown[] }>;
  invokeFunction(...given: unknown[]): Promise<unknown>;
  getResponse(context: object, result: unknown): Promise<unknown>;
}
interface Begun {
  readonly invocationId: string;
  readonly metadata: { readonly name: string; readonly bindings: Readonly<Record<string, { type: string }>> };
}
interface ProgrammingModel {
  readonly name: string;
  readonly version: string;
  getInvocationModel(begun: Begun): Promise<Invocation> | Invocation;
  getCapabilities(known: Record<string, string>): Promise<Record<string, string>>;
}
interface Core {
  getProgrammingModel(): ProgrammingModel;
  setProgrammingModel(model: ProgrammingModel): void;
}

/** A request that reached this process, until its client has the answer. */
interface Arrived {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  isClaimed: boolean;
  looks: number;
}

export interface GuardOptions {
  /** Between two looks at what waits. Looks are counted, so that a process that was frozen gives nothing up at once. */
  readonly lookMs: number;
  /** Answers a request that no invocation is for, or that the library cannot read. */
  readonly malformed: (url: string, invocationId: string) => HttpResponse | HttpResponseInit;
}

/**
 * Where answers stream, the host calls a function and forwards its request apart from that. A head that the host
 * cannot forward never comes, one with an id of its client's own comes under that id, and the library waits without
 * end. This gives such an invocation up, answers such a request, and cuts a client off whose answer breaks off.
 */
export function guardRequests({ lookMs, malformed }: GuardOptions): void {
  const core = createRequire(import.meta.url)("@azure/functions-core") as Core;
  const model = core.getProgrammingModel();
  const waiting = new Map<string, { looks: number; giveUp: (why: Error) => void }>();
  const arrived = new Map<string, Arrived>();
  const refusal = (id: string) => malformed(arrived.get(id)?.request.url ?? "/", id);

  core.setProgrammingModel({
    name: model.name,
    version: model.version,
    getCapabilities: (known) => model.getCapabilities(known),
    getInvocationModel: async (begun) => {
      const inner = await model.getInvocationModel(begun);
      return isHttp(begun) ? guarded(inner, begun.invocationId) : inner;
    },
  });
  subscribe("http.server.request.start", (message) => {
    const { request, response } = message as Pick<Arrived, "request" | "response">;
    const id = request.headers[INVOCATION_ID];
    if (typeof id !== "string") return;
    arrived.set(id, { request, response, isClaimed: waiting.has(id), looks: 0 });
    response.once("close", () => {
      // A made-up id may come twice.
      if (arrived.get(id)?.response === response) arrived.delete(id);
    });
  });
  setInterval(look, lookMs).unref();

  function guarded(inner: Invocation, id: string): Invocation {
    let isReadable = true;
    /** It came, and the library can make no request of it: of a host that is no host's name, say. */
    const unreadable = () => {
      isReadable = false;
      return { context: { invocationId: id }, inputs: [] };
    };
    const cutOffAfter = async <T>(work: Promise<T>): Promise<T> => {
      try {
        return await work;
      } catch (thrown) {
        arrived.get(id)?.response.destroy();
        throw thrown;
      }
    };
    return {
      getArguments() {
        const lost = Promise.withResolvers<never>();
        waiting.set(id, { looks: 0, giveUp: lost.reject });
        const first = arrived.get(id);
        if (first !== undefined) first.isClaimed = true;
        const came = inner.getArguments().catch(unreadable);
        return Promise.race([came, lost.promise]).finally(() => waiting.delete(id));
      },
      invokeFunction: async (...given) =>
        isReadable ? cutOffAfter(inner.invokeFunction(...given)) : refusal(id),
      getResponse: (context, result) => cutOffAfter(inner.getResponse(context, result)),
    };
  }

  function look(): void {
    for (const one of waiting.values()) {
      if (++one.looks > INVOCATION_LOOKS)
        one.giveUp(new Error("The request of this invocation has not come."));
    }
    for (const [id, one] of arrived) {
      const { request, response } = one;
      // Its invocation may begin once its body is whole.
      const isComing = request.headers["content-length"] !== undefined && !request.complete;
      if (one.isClaimed || isComing || response.headersSent || ++one.looks <= REQUEST_LOOKS) continue;
      one.isClaimed = true;
      answerUnclaimed(id).catch(() => response.destroy());
    }
  }

  /** By an invocation that is made up: the library then keeps nothing of the request. */
  async function answerUnclaimed(id: string): Promise<void> {
    const binding = { type: "httpTrigger", direction: "in" };
    const made = {
      invocationId: id,
      metadata: {
        name: "unclaimed",
        bindings: { request: binding, $return: { type: "http", direction: "out" } },
      },
      request: { inputData: [{ name: "request", data: {} }], triggerMetadata: {} },
      state: undefined,
      log: () => undefined,
    };
    const invocation = await model.getInvocationModel(made);
    await invocation.getArguments().catch(() => undefined);
    await invocation.getResponse({ invocationId: id }, refusal(id));
  }
}

function isHttp({ metadata }: Begun): boolean {
  return Object.values(metadata.bindings).some(({ type }) => type.toLowerCase() === "httptrigger");
}
