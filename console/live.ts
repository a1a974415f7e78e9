import { createContext } from "preact";
import { useCallback, useContext, useEffect, useRef, useState } from "preact/hooks";
import type { Api } from "./api.ts";
import { answered, failed, NOTHING_YET, type Polled, waitMs } from "./rows/polling.ts";

/** The client of who is signed in. */
export const ApiContext = createContext<Api | undefined>(undefined);

export function useApi(): Api {
  const api = useContext(ApiContext);
  if (api === undefined) throw new Error("nobody is signed in");
  return api;
}

export interface Live<T> extends Polled<T> {
  /** Asks again now. */
  readonly again: () => void;
}

export const EVERY_MS = 2_000;

/**
 * Reads a path of the API, and reads it again as long as the page can be seen.
 * @param path undefined: nothing is read yet
 * @param everyMs how often; 0: once
 */
export function useLive<T>(path: string | undefined, everyMs: number = EVERY_MS): Live<T> {
  const api = useApi();
  const read = useCallback(
    (etag: string | undefined, signal: AbortSignal) => api.get<T>(path ?? "", etag, signal),
    [api, path],
  );
  return usePolling(path === undefined ? undefined : read, everyMs);
}

type Read<T> = (
  etag: string | undefined,
  signal: AbortSignal,
) => Promise<{ value: T | undefined; etag: string | undefined }>;

/** @param read a new function is a new thing: what was known of the old one is forgotten */
export function usePolling<T>(read: Read<T> | undefined, everyMs: number): Live<T> {
  const [state, setState] = useState<{ of: Read<T> | undefined; polled: Polled<T> }>({
    of: read,
    polled: NOTHING_YET,
  });
  const polled = state.of === read ? state.polled : NOTHING_YET;
  const askNow = useRef<() => void>(() => undefined);
  const again = useCallback(() => askNow.current(), []);

  useEffect(() => {
    if (read === undefined) return;
    const poller = new Poller(read, everyMs, (now) => setState({ of: read, polled: now }));
    askNow.current = poller.ask;
    poller.ask();
    return poller.stop;
  }, [read, everyMs]);
  return { ...polled, again };
}

/** Asks, waits, and asks again, until it is stopped. A hidden page asks nothing but what it has never seen. */
class Poller<T> {
  readonly #control = new AbortController();
  readonly #read: Read<T>;
  readonly #everyMs: number;
  readonly #onChange: (polled: Polled<T>) => void;
  #known: Polled<T> = NOTHING_YET;
  #timer: number | undefined;
  #isAsking = false;
  #isWantedAgain = false;

  /** @param everyMs 0: once it was answered, only when asked to */
  constructor(read: Read<T>, everyMs: number, onChange: (polled: Polled<T>) => void) {
    this.#read = read;
    this.#everyMs = everyMs;
    this.#onChange = onChange;
    document.addEventListener("visibilitychange", this.#onVisible);
  }

  readonly stop = () => {
    this.#control.abort();
    window.clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.#onVisible);
  };

  readonly ask = async (): Promise<void> => {
    window.clearTimeout(this.#timer);
    this.#isWantedAgain = this.#isAsking;
    if (this.#isAsking || (document.hidden && this.#known.atMs !== undefined)) return;
    this.#isAsking = true;
    await this.#answer();
    this.#isAsking = false;
    if (this.#control.signal.aborted) return;
    this.#onChange(this.#known);
    const isOver = this.#everyMs === 0 && this.#known.failures === 0;
    if (this.#isWantedAgain) return this.ask();
    if (!isOver) this.#timer = window.setTimeout(this.ask, waitMs(this.#everyMs || EVERY_MS, this.#known));
  };

  async #answer(): Promise<void> {
    try {
      const { value, etag } = await this.#read(this.#known.etag, this.#control.signal);
      this.#known = answered(this.#known, value, etag, Date.now());
    } catch (thrown) {
      this.#known = failed(this.#known, thrown as Error);
    }
  }

  readonly #onVisible = () => {
    if (document.hidden) window.clearTimeout(this.#timer);
    else if (this.#everyMs > 0 || this.#known.atMs === undefined) this.ask();
  };
}

export interface Action {
  readonly isRunning: boolean;
  readonly problem: Error | undefined;
  /** Runs it, and resolves to whether it went well. A second one waits for nothing: it is not begun. */
  readonly run: () => Promise<boolean>;
  /** Of a problem: whoever types anew has read it. */
  readonly forget: () => void;
}

/** Something that a person does, with its state. */
export function useAction(work: () => Promise<void>): Action {
  const [problem, setProblem] = useState<Error | undefined>(undefined);
  const [isRunning, setIsRunning] = useState(false);
  const run = async () => {
    if (isRunning) return false;
    setIsRunning(true);
    setProblem(undefined);
    try {
      await work();
      return true;
    } catch (thrown) {
      setProblem(thrown as Error);
      return false;
    } finally {
      setIsRunning(false);
    }
  };
  return { isRunning, problem, run, forget: () => setProblem(undefined) };
}
