import { createRequire } from "node:module";
import type { HttpResponse, HttpResponseInit } from "@azure/functions";
import { type Arrived, arrived, watchClients } from "./clients.ts";

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
  readonly request: { triggerMetadata?: object | null };
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

export interface GuardOptions {
  /** Between two looks at what waits. Looks are counted, so that a process that was frozen gives nothing up at once. */
  readonly lookMs: number;
  /** Answers a request that no invocation is for, or that the library cannot read. */
  readonly malformed: (url: string, invocationId: string) => HttpResponse | HttpResponseInit;
  /**
   * Functions that read nothing of their message's metadata. The library parses each text of it as JSON, and an id that
   * is none costs it an error: most of what it spends on a message.
   */
  readonly withoutMetadata: ReadonlySet<string>;
}

/**
 * Where answers stream, the host calls a function and forwards its request apart from that. A head that the host
 * cannot forward never comes, one with an id of its client's own comes under that id, and the library waits without
 * end. This gives such an invocation up, answers such a request, and cuts a client off whose answer breaks off.
 */
export function guardRequests({ lookMs, malformed, withoutMetadata }: GuardOptions): void {
  const core = createRequire(import.meta.url)("@azure/functions-core") as Core;
  const model = core.getProgrammingModel();
  const waiting = new Map<string, { looks: number; giveUp: (why: Error) => void }>();
  /** Looks at requests that no invocation has asked for. */
  const unclaimed = new WeakMap<Arrived, number>();
  const claimed = new WeakSet<Arrived>();
  watchClients();
  const refusal = (id: string) => malformed(arrived.get(id)?.request.url ?? "/", id);

  core.setProgrammingModel({
    name: model.name,
    version: model.version,
    getCapabilities: (known) => model.getCapabilities(known),
    getInvocationModel: async (begun) => {
      if (withoutMetadata.has(begun.metadata.name)) begun.request.triggerMetadata = null;
      const inner = await model.getInvocationModel(begun);
      return isHttp(begun) ? guarded(inner, begun.invocationId) : inner;
    },
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
        const came = inner.getArguments().catch(unreadable);
        return Promise.race([came, lost.promise]).finally(() => {
          waiting.delete(id);
          const one = arrived.get(id);
          if (one !== undefined) claimed.add(one);
        });
      },
      invokeFunction: (...given) =>
        isReadable ? cutOffAfter(inner.invokeFunction(...given)) : Promise.resolve(refusal(id)),
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
      if (claimed.has(one) || waiting.has(id) || isComing || response.headersSent) continue;
      const looks = (unclaimed.get(one) ?? 0) + 1;
      unclaimed.set(one, looks);
      if (looks <= REQUEST_LOOKS) continue;
      claimed.add(one);
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
