import type { Illness, WaitCause } from "../model/wait-cause.ts";

/** What a queued job waits for, besides a worker. */
export type Waiting = QuotaWait | TimeWait | DeploymentWait | SwitchWait | BudgetWait;

/** For quota of a deployment: in a line, and the dispatcher lets it go. */
export interface QuotaWait extends Kept {
  readonly for: "quota";
  /** Why it could not be called, by the deployment that it would have gone to first; absent: an older version did not say. */
  readonly cause?: WaitCause;
  /** By the clock of whoever put it in the line. */
  readonly since_ms: number;
  /** Estimated, as deployments count them: prompt and longest answer. */
  readonly tokens: number;
  /** Those that can serve it, the preferred first. */
  readonly deployments: readonly string[];
  /** The revision of the catalogue they were chosen from; absent: an older version did not say. */
  readonly revision?: number;
}

/** For the end of a back-off. */
export interface TimeWait extends Since {
  readonly for: "time";
  readonly until_ms: number;
}

/** For a deployment that is ill: by itself, until it tries again. */
export interface DeploymentWait extends Since {
  readonly for: "deployment";
  readonly cause: Illness;
  readonly deployment: string;
  readonly until_ms: number;
}

/** For an operator, who has switched off what it would go to. */
export interface SwitchWait extends Kept, Since {
  readonly for: "switch";
  /** The catalogue's when the job was last looked at: with a newer one it may go. */
  readonly revision: number;
}

/** For money. */
export interface BudgetWait extends Kept, Since {
  readonly for: "budget";
  readonly revision: number;
  /** The budget's name: with another one it may go. */
  readonly budget: string;
  /** When the budget's next period begins; null: it waits for calls that still run. */
  readonly until_ms: number | null;
}

interface Since {
  /** By the clock of whoever stored that; absent: an older version did not say. */
  readonly since_ms?: number;
}

/** Fields of a neighbouring version, which survive while the job waits on. */
interface Kept {
  readonly others?: Readonly<Record<string, unknown>>;
}
