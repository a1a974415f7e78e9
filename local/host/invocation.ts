import { randomUUID } from "node:crypto";
import type {
  CoreInvocationContext,
  Hook,
  InvocationResponse,
  RegisteredFunction,
  Registry,
  TypedData,
} from "./core-api.ts";
import type { HostLog } from "./host-log.ts";

/** host.json's `functionTimeout` passed. The handler may still be running; the host no longer waits for it. */
export class FunctionTimeout extends Error {
  override readonly name = "FunctionTimeout";
}

export interface Call {
  /** One is made up where there is none. */
  readonly invocationId?: string;
  readonly data: TypedData;
  readonly triggerMetadata?: Readonly<Record<string, TypedData>>;
  /** W3C trace context of the caller; one is made up where there is none. */
  readonly traceParent?: string;
}

/** Runs functions through the app's programming model, and knows how many run. */
export class Invoker {
  readonly #registry: Registry;
  readonly #log: HostLog;
  readonly #timeoutMs: number | undefined;
  #running = 0;
  #idleSince = Date.now();
  #whenIdle: (() => void)[] = [];

  constructor(registry: Registry, log: HostLog, timeoutMs: number | undefined) {
    this.#registry = registry;
    this.#log = log;
    this.#timeoutMs = timeoutMs;
  }

  get running(): number {
    return this.#running;
  }

  /** When the last run ended that was alone, Unix ms; before the first, when this was made. */
  get idleSince(): number {
    return this.#idleSince;
  }

  /** Resolves once nothing runs. */
  idle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  /** Runs one function. Rejects with what the handler threw, or with FunctionTimeout. */
  async invoke(fn: RegisteredFunction, call: Call): Promise<InvocationResponse> {
    this.#running += 1;
    try {
      const run = this.#run(fn, call);
      return await (this.#timeoutMs === undefined ? run : withinTime(run, fn.name, this.#timeoutMs));
    } finally {
      this.#running -= 1;
      if (this.#running === 0) {
        this.#idleSince = Date.now();
        const waiting = this.#whenIdle;
        this.#whenIdle = [];
        for (const resolve of waiting) resolve();
      }
    }
  }

  async #run(fn: RegisteredFunction, call: Call): Promise<InvocationResponse> {
    const { model, hooks } = this.#registry;
    if (model === undefined) throw new Error("The app has set no programming model.");
    const { invocationId = randomUUID() } = call;
    let hookedContext: object | undefined;
    const core: CoreInvocationContext = {
      invocationId,
      metadata: fn.metadata,
      request: {
        inputData: [{ name: fn.triggerName, data: call.data }],
        ...(call.triggerMetadata === undefined ? {} : { triggerMetadata: call.triggerMetadata }),
        traceContext: {
          traceParent: call.traceParent ?? traceParentOf(invocationId),
          traceState: "",
          attributes: {},
        },
      },
      state: undefined,
      log: (level, category, message) => {
        const line = { hookData: {}, level, category, message, invocationContext: hookedContext };
        for (const hook of hooks.log) hook(line);
        const suffix = category === "user" ? ".User" : "";
        this.#log.write(line.level, `Function.${fn.name}${suffix}`, line.message);
      },
    };
    const invocation = await model.getInvocationModel(core);
    const { context, inputs } = await invocation.getArguments();
    hookedContext = context;
    let { callback } = fn;
    const shared = { hookData: {}, invocationContext: context };
    let finalInputs = inputs;
    if (hooks.preInvocation.length > 0) {
      core.state = "preInvocationHooks";
      const pre = { ...shared, inputs, functionCallback: callback };
      await runHooks(hooks.preInvocation, pre);
      callback = pre.functionCallback;
      finalInputs = pre.inputs;
    }
    core.state = "invocation";
    if (hooks.postInvocation.length === 0) {
      const result = await invocation.invokeFunction(context, finalInputs, callback);
      return invocation.getResponse(context, result);
    }
    const post: { result: unknown; error: unknown } & Record<string, unknown> = {
      ...shared,
      inputs: finalInputs,
      result: undefined,
      error: undefined,
    };
    try {
      post.result = await invocation.invokeFunction(context, finalInputs, callback);
    } catch (thrown) {
      post.error = thrown;
    }
    core.state = "postInvocationHooks";
    await runHooks(hooks.postInvocation, post);
    if (post.error !== undefined && post.error !== null) throw post.error;
    return invocation.getResponse(context, post.result);
  }
}

/** Hooks run one after another, each seeing what the one before changed. */
export async function runHooks(hooks: readonly Hook[], context: Record<string, unknown>): Promise<void> {
  for (const hook of hooks) await hook(context);
}

function traceParentOf(invocationId: string): string {
  const hex = invocationId.replaceAll("-", "");
  return `00-${hex}-${hex.slice(16)}-00`;
}

/** Plain promises rather than Promise.race: that would hold each run's timer until the time-out. */
function withinTime<T>(run: Promise<T>, name: string, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () =>
        reject(new FunctionTimeout(`Function "${name}" ran longer than functionTimeout (${timeoutMs} ms).`)),
      timeoutMs,
    );
    run.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (thrown) => {
        clearTimeout(timer);
        reject(thrown);
      },
    );
  });
}
