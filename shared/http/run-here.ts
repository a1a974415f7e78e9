import { check, type IntakeDeps, type Submit, type SubmittedBy, type Taken } from "../job/intake/intake.ts";
import type { PassOn, RunDeps } from "../job/run/run-deps.ts";
import { startHere } from "../job/run/start-here.ts";

export interface RunHereDeps {
  readonly run: Omit<RunDeps, "log">;
  /** Runs what goes on in this process. */
  readonly invocation: <T>(work: () => Promise<T>) => Promise<T>;
}

/** How a job may run in the invocation that takes it in. */
export interface Here {
  /** @param p95Ms of such calls lately; undefined: none was measured */
  readonly isQuick: (p95Ms: number | undefined) => boolean;
  /** Where its client reads the answer as it comes; absent: it wants it whole. */
  readonly passOn?: PassOn | undefined;
}

export interface TakenHere extends Pick<Taken, "job" | "isJoined"> {
  /** Resolves when nothing is left to do here; undefined: it does not run here. */
  readonly over: Promise<void> | undefined;
}

/**
 * Takes a job in, and runs it here where it may go at once, in one invocation. @throws as `Take`, and what `check` throws
 */
export function takeInHere(
  deps: RunHereDeps & { readonly intake: IntakeDeps },
  submit: Submit,
  by: SubmittedBy,
  { isQuick, passOn }: Here,
): Promise<TakenHere> {
  const { intake, invocation } = deps;
  const take = check(intake, submit, by);
  const run = { ...deps.run, log: intake.log, ...(passOn === undefined ? {} : { passOn }) };
  return new Promise((resolve, reject) => {
    const over: Promise<void> = invocation(async () => {
      const { run: running, ...taken } = await take((accepted) => startHere(run, accepted, isQuick));
      // Nobody asks for `over` before this is answered.
      const later = running === undefined ? undefined : Promise.resolve().then(() => over);
      later?.catch(() => undefined); // it is told to whoever awaits it
      resolve({ ...taken, over: later });
      await running;
    });
    over.catch(reject);
  });
}
