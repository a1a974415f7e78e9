import type { Server } from "node:http";
import type { HostLog, LogLevel } from "./host-log.ts";

/**
 * The part of `@azure/functions-core` that `@azure/functions` 4 uses. The cloud's worker supplies that module through
 * `require` and nowhere else, so there is no package to take the types from; the shapes are those of
 * azure-functions-nodejs-worker 3.9 (wire-facts: a binding's `type` ends in "Trigger" for the trigger).
 */
export interface Binding {
  readonly type: string;
  readonly direction: string;
  readonly [option: string]: unknown;
}

export interface FunctionMetadata {
  readonly name: string;
  readonly bindings: Readonly<Record<string, Binding>>;
  readonly retryOptions?: unknown;
}

export type Callback = (...args: unknown[]) => unknown;

/** What crosses between host and worker: exactly one of the fields is set. */
export interface TypedData {
  readonly string?: string;
  readonly json?: string;
  readonly bytes?: Uint8Array;
  readonly int?: number;
  readonly double?: number;
  readonly http?: HttpData;
}

export interface HttpData {
  readonly url?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly params?: Record<string, string>;
  readonly body?: TypedData;
  readonly statusCode?: string;
  readonly cookies?: readonly HttpCookie[];
}

/** Optional values come wrapped, as in the worker's protobuf. */
export interface HttpCookie {
  readonly name: string;
  readonly value: string;
  readonly domain?: { readonly value: string };
  readonly path?: { readonly value: string };
  readonly expires?: { readonly value: { readonly seconds?: number; readonly nanos?: number } };
  readonly secure?: { readonly value: boolean };
  readonly httpOnly?: { readonly value: boolean };
  readonly sameSite?: "none" | "lax" | "strict" | "explicitNone";
  readonly maxAge?: { readonly value: number };
}

export interface InvocationRequest {
  readonly inputData: readonly { readonly name: string; readonly data: TypedData }[];
  readonly triggerMetadata?: Readonly<Record<string, TypedData>>;
  readonly traceContext?: {
    readonly traceParent: string;
    readonly traceState: string;
    readonly attributes: Record<string, string>;
  };
}

export interface InvocationResponse {
  readonly returnValue?: TypedData | null;
  readonly outputData?: readonly { readonly name: string; readonly data: TypedData }[];
}

export interface CoreInvocationContext {
  readonly invocationId: string;
  readonly metadata: FunctionMetadata;
  readonly request: InvocationRequest;
  state: "preInvocationHooks" | "invocation" | "postInvocationHooks" | undefined;
  log(level: LogLevel, category: "user" | "system", message: string): void;
}

export interface InvocationModel {
  getArguments(): Promise<{ context: object; inputs: unknown[] }>;
  invokeFunction(context: object, inputs: unknown[], callback: Callback): Promise<unknown>;
  getResponse(context: object, result: unknown): Promise<InvocationResponse>;
}

export interface ProgrammingModel {
  readonly name: string;
  readonly version: string;
  getInvocationModel(context: CoreInvocationContext): InvocationModel | Promise<InvocationModel>;
  getCapabilities(capabilities: Record<string, string>): Promise<Record<string, string>>;
}

export type HookName = "appStart" | "appTerminate" | "preInvocation" | "postInvocation" | "log";
// Each hook is handed its own mutable context; the app's side of it is typed by @azure/functions.
export type Hook = (context: Record<string, unknown>) => unknown;

/** A function the app has registered, with its one trigger picked out. */
export interface RegisteredFunction {
  readonly name: string;
  readonly metadata: FunctionMetadata;
  readonly triggerName: string;
  readonly trigger: Binding;
  readonly callback: Callback;
}

const HOOK_NAMES: readonly string[] = ["appStart", "appTerminate", "preInvocation", "postInvocation", "log"];

/** What the app told the host while it loaded. */
export class Registry {
  readonly functions = new Map<string, RegisteredFunction>();
  readonly hooks: Record<HookName, Hook[]> = {
    appStart: [],
    appTerminate: [],
    preInvocation: [],
    postInvocation: [],
    log: [],
  };
  model: ProgrammingModel | undefined;
  /** The library's own HTTP server, where the app streams. */
  proxy: Server | undefined;
  /** True once the app has loaded: what registers later would never be triggered, in the cloud too. */
  closed = false;

  register(metadata: FunctionMetadata, callback: Callback): { dispose(): void } {
    const { name } = metadata;
    if (this.closed)
      throw new RangeError(`Function "${name}" can't be registered after the app has started.`);
    if (this.functions.has(name)) throw new RangeError(`A function with name "${name}" already exists.`);
    const trigger = Object.entries(metadata.bindings).find(([, b]) => /trigger$/i.test(b.type));
    if (trigger === undefined) throw new RangeError(`Function "${name}" has no trigger.`);
    this.functions.set(name, {
      name,
      metadata,
      triggerName: trigger[0],
      trigger: trigger[1],
      callback,
    });
    return { dispose: () => void this.functions.delete(name) };
  }

  addHook(name: string, hook: Hook): { dispose(): void } {
    if (!HOOK_NAMES.includes(name)) throw new RangeError(`Unrecognized hook "${name}".`);
    const hooks = this.hooks[name as HookName];
    hooks.push(hook);
    return {
      dispose: () => {
        const at = hooks.indexOf(hook);
        if (at >= 0) hooks.splice(at, 1);
      },
    };
  }
}

/** The module object that `require("@azure/functions-core")` returns to the app. */
export function coreApi(registry: Registry, log: HostLog): object {
  return {
    version: "3.12.0",
    hostVersion: "4.1040.0",
    log: (level: LogLevel, _category: string, message: string) => log.write(level, "Worker", message),
    setProgrammingModel: (model: ProgrammingModel) => {
      registry.model = model;
    },
    getProgrammingModel: () => registry.model,
    registerFunction: (metadata: FunctionMetadata, callback: Callback) =>
      registry.register(metadata, callback),
    registerHook: (name: string, hook: Hook) => registry.addHook(name, hook),
    Disposable: class {
      readonly #dispose: () => unknown;
      constructor(dispose: () => unknown) {
        this.#dispose = dispose;
      }
      dispose(): unknown {
        return this.#dispose();
      }
    },
  };
}
