interface Turn {
  readonly at: number;
  /** From then on. */
  readonly isUp: boolean;
}

/** A host is called by its group, and by its number where there are several. */
const LINE =
  /^\{"time":"([^"]+)".*"message":"((?:host|http|function:[\w-]+|emulators)(?: \d+)?) (died|serves again)/;

/**
 * When there was anybody to recover a job: the emulators and a host of each group of functions, as the stack's own output tells of its processes.
 * A recovery's length counts from there; how soon processes start is the machine's.
 */
export class AtWork {
  readonly #turns: readonly Turn[];

  constructor(output: string) {
    this.#turns = turnsOf(output);
  }

  /** How much of the time between two moments, Unix seconds. */
  seconds(from: number, to: number): number {
    let isUp = true;
    let since = from;
    let sum = 0;
    for (const turn of [...this.#turns, { at: to, isUp: false }]) {
      const at = Math.min(Math.max(turn.at, from), to);
      if (isUp) sum += at - since;
      [since, isUp] = [at, turn.isUp];
    }
    return sum;
  }
}

function turnsOf(output: string): Turn[] {
  const told = output.split("\n").flatMap((line) => {
    const [, time, name, what] = LINE.exec(line) ?? [];
    return time === undefined || name === undefined ? [] : [{ time, name, what }];
  });
  // In a long run every host dies sooner or later, so that each is in some line.
  const hosts = new Set(told.map(({ name }) => name).filter((name) => name !== "emulators"));
  const groups = [...Map.groupBy(hosts, (host) => host.replace(/ \d+$/, "")).values()];
  const down = new Set<string>();
  return told.map(({ time, name, what }) => {
    if (what === "died") down.add(name);
    else down.delete(name);
    const isGroupDown = groups.some((group) => group.every((host) => down.has(host)));
    return { at: Date.parse(time) / 1000, isUp: !down.has("emulators") && !isGroupDown };
  });
}
