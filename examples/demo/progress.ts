export interface ProgressState {
  readonly submitted: number;
  readonly ended: number;
  readonly total: number;
  /** Ended jobs by lab, in the labs' order. */
  readonly byLab: readonly (readonly [lab: string, ended: number])[];
  readonly elapsedMs: number;
}

const BAR_CHARS = 10;
/** Without a terminal, a line is written each time another share of this size has ended. */
const PLAIN_STEPS = 8;

export function progressLine(state: ProgressState): string {
  const { submitted, ended, total, byLab, elapsedMs } = state;
  const full = total === 0 ? 0 : Math.floor((ended / total) * BAR_CHARS);
  const bar = "█".repeat(full) + "░".repeat(BAR_CHARS - full);
  const labs = byLab.map(([lab, count]) => `${lab} ${count}`).join(" · ");
  return `${bar} ${ended}/${total} ended, ${submitted} submitted · ${labs} · ${(elapsedMs / 1000).toFixed(1)} s`;
}

export interface Screen {
  readonly isTTY: boolean;
  readonly width: number;
  write(text: string): void;
}

/** Shows progress: on a terminal one line that changes, elsewhere a line now and then. */
export class Progress {
  readonly #screen: Screen;
  #lastStep = -1;
  #shown = false;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  show(state: ProgressState): void {
    if (this.#screen.isTTY) {
      const line = [...progressLine(state)].slice(0, this.#screen.width - 1).join("");
      this.#screen.write(`\r\u001b[2K${line}`);
      this.#shown = true;
      return;
    }
    const step = Math.floor((state.ended / Math.max(1, state.total)) * PLAIN_STEPS);
    if (step === this.#lastStep || state.ended === 0) return;
    this.#lastStep = step;
    this.#screen.write(`${progressLine(state)}\n`);
  }

  /** What is written next begins on a line of its own. */
  end(): void {
    if (this.#shown) this.#screen.write("\n");
    this.#shown = false;
  }
}
