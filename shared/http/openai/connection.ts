import type { IntakeDeps } from "../../job/intake/intake.ts";
import { cancelLeft } from "../../job/intake/left-client.ts";
import { type Log, reasonOf } from "../../log.ts";
import type { JobKey } from "../../store.ts";
import type { Answer } from "../answer.ts";
import type { CallerOf, Visit } from "../route.ts";
import { heldCallsOf, type Throttle } from "../throttle.ts";
import type { AnswerDeps } from "./answer.ts";

interface ConnectionDeps {
  readonly intake: Omit<IntakeDeps, "log" | "heldCalls">;
  readonly throttle: Throttle;
  readonly events: AnswerDeps["events"];
}

/**
 * The connection on which a client waits for its call's answer. While it is known to be open no retry takes the job; 30 s
 * after the client has left, the job is cancelled unless a retry has taken it.
 */
export class Connection {
  readonly #deps: ConnectionDeps;
  readonly #visit: Visit;
  readonly #by: CallerOf<"tenant">;
  #isLeft = false;
  #onLeft: () => void = () => undefined;
  readonly #forget: () => void;

  constructor(deps: ConnectionDeps, visit: Visit, by: CallerOf<"tenant">) {
    this.#deps = deps;
    this.#visit = visit;
    this.#by = by;
    // From the beginning: a client may leave before its job is stored.
    const left = () => {
      this.#isLeft = true;
      this.#onLeft();
    };
    this.#forget = visit.onLeft?.(left) ?? (() => undefined);
  }

  /** What an answer is made with, as long as the client waits for it. */
  get answerDeps(): AnswerDeps {
    return { ...this.intake, events: this.#deps.events, isLeft: () => this.#isLeft };
  }

  get intake(): ConnectionDeps["intake"] & Pick<IntakeDeps, "log" | "heldCalls" | "isLeft"> {
    const { intake, throttle } = this.#deps;
    const heldCalls = heldCallsOf(throttle, this.#visit);
    return { ...intake, heldCalls, log: this.#visit.log, isLeft: () => this.#isLeft };
  }

  /**
   * The answer to a call. It is held back from a client that has left, until that is of no consequence any more.
   * @param joinedBy the request that has taken the job, where this one goes on for it
   */
  async answer<Status extends number>(
    job: JobKey,
    joinedBy: string | undefined,
    answering: Promise<Answer<Status>>,
  ): Promise<Answer<Status>> {
    const { connected } = this.#deps.intake;
    const disconnect = this.#visit.onLeft === undefined ? () => undefined : connected.add(job);
    let leaving: Promise<void> | undefined;
    this.#onLeft = () => {
      disconnect();
      leaving ??= this.#left(job, joinedBy);
    };
    if (this.#isLeft) this.#onLeft();
    const over = async () => {
      await leaving;
      disconnect();
      this.#forget();
    };
    let isBegun = false;
    try {
      const { body, ...answer } = await answering;
      if (body === undefined || typeof body === "string") return { ...answer, ...(body && { body }) };
      isBegun = true;
      return { ...answer, body: until(body, over) };
    } finally {
      if (!isBegun) await over();
    }
  }

  async #left(job: JobKey, joinedBy: string | undefined): Promise<void> {
    const { intake, throttle } = this.#deps;
    const { tenant, actor } = this.#by;
    const back = throttle.goesOn(tenant);
    try {
      await cancelLeft(intake, job, { actor, joinedBy });
    } catch (thrown) {
      told(this.#visit.log, job, thrown);
    } finally {
      back();
    }
  }
}

async function* until<T>(body: AsyncIterable<T>, over: () => Promise<void>): AsyncGenerator<T> {
  try {
    yield* body;
  } finally {
    await over();
  }
}

/** It goes on as it would had nobody noticed. */
function told(log: Log, { job_id }: JobKey, thrown: unknown): void {
  log.warn("left_not_cancelled", { job_id, reason: reasonOf(thrown) });
}
