/**
 * What an instance does: it is `gone`, on its way (`coming`: the platform has not begun yet; `starting`), `awake`,
 * `frozen`, or `ending`.
 */
export type InstanceState = "gone" | "coming" | "starting" | "awake" | "frozen" | "ending";

export interface InstanceView {
  readonly state: InstanceState;
  /** For how long a frozen one has been without an invocation, ms. */
  readonly idleMs: number;
}

/** What a group has to do. */
export interface Work {
  /** How many instances the platform wants for it; 0: nothing is to do. */
  readonly wanted: number;
  /** Which frozen instances hear of it: a queue's messages may go to any of them, a timer needs one. */
  readonly thaws: "all" | "one" | "none";
}

export const NO_WORK: Work = { wanted: 0, thaws: "none" };

export type Action = "thaw" | "start" | "end";

/** The platform's times, ms. */
export interface PlatformTimes {
  /** An instance that has been without an invocation for this long is taken away. */
  readonly endAfterMs: number;
  /** One that is wanted is started within this time. */
  readonly startMinMs: number;
  readonly startMaxMs: number;
}

export function platformTimes(scale: number): PlatformTimes {
  return { endAfterMs: 20_000 * scale, startMinMs: 1_000 * scale, startMaxMs: 5_000 * scale };
}

/**
 * What is to be done with each instance of a group, as Flex Consumption would: what is frozen goes on when there is
 * work, as many as the work wants are started, and who has idled long enough goes.
 */
export function decide(
  instances: readonly InstanceView[],
  work: Work,
  { endAfterMs }: Pick<PlatformTimes, "endAfterMs">,
): (Action | undefined)[] {
  const actions: (Action | undefined)[] = instances.map(({ state, idleMs }) =>
    state === "frozen" && idleMs >= endAfterMs && work.wanted === 0 ? "end" : undefined,
  );
  const is = (...states: InstanceState[]) =>
    instances.flatMap(({ state }, n) => (states.includes(state) && actions[n] === undefined ? [n] : []));
  const frozen = is("frozen");
  const thawed = work.thaws === "all" ? frozen : [];
  if (work.thaws === "one" && is("awake").length === 0) thawed.push(...frozen.slice(0, 1));
  for (const n of thawed) actions[n] = "thaw";
  const there = is("coming", "starting", "awake").length + frozen.length;
  for (const n of is("gone").slice(0, Math.max(0, work.wanted - there))) actions[n] = "start";
  return actions;
}

/** How long the platform takes before it starts an instance, ms. */
export function startDelayMs({ startMinMs, startMaxMs }: PlatformTimes, random: () => number): number {
  return startMinMs + random() * (startMaxMs - startMinMs);
}
