/** A message that the queue gave up on. */
export interface DeadLetter {
  readonly id: string;
  readonly at: number;
  readonly reason: string;
  readonly description: string;
  readonly readable: boolean;
  /** `jobs`, or the queue that gave it up. */
  readonly queue: string;
  readonly tenant_id: string | null;
  readonly job_id: string | null;
  readonly job_status: string | null;
  readonly redriven: {
    readonly at: number;
    readonly actor: string;
    readonly outcome: string;
    readonly job_id: string | null;
  } | null;
  readonly dismissed: { readonly at: number; readonly actor: string } | null;
}

/** Letters by what was done about them. */
export const LETTER_STATES = ["untouched", "redriven", "dismissed"] as const;

/** What a person narrows the list to; empty: to nothing. */
export interface LetterChoice {
  readonly state: string;
  readonly tenant: string;
  readonly job: string;
  readonly reason: string;
}

type Filter = Readonly<Record<string, string>>;

/** As a list's query has it. */
export function letterQuery({ state, ...choice }: LetterChoice): Filter {
  const done = {
    untouched: { redriven: "false", dismissed: "false" },
    redriven: { redriven: "true" },
    dismissed: { dismissed: "true" },
  }[state];
  return { ...letterFilter(choice), ...done };
}

/** As redrives and dismissals of many take it: these are about letters that nobody has touched, whatever is shown. */
export function letterFilter({ tenant, job, reason }: Omit<LetterChoice, "state">): Filter {
  return {
    ...(tenant === "" ? {} : { tenant_id: tenant }),
    ...(job === "" ? {} : { job_id: job }),
    ...(reason === "" ? {} : { reason }),
  };
}

/** The same in words. */
export function choiceWords({ tenant, job, reason }: Omit<LetterChoice, "state">): string {
  const parts = [
    ...(tenant === "" ? [] : [`of ${tenant}`]),
    ...(job === "" ? [] : [`about ${job}`]),
    ...(reason === "" ? [] : [`with the reason “${reason}”`]),
  ];
  return parts.length === 0 ? "all letters that nobody has touched" : `untouched letters ${parts.join(", ")}`;
}

/** What can be done about a letter. */
export interface Remedy {
  readonly canRedrive: boolean;
  /** Whether a redrive makes a new job, which costs money again. */
  readonly makesJob: boolean;
  readonly canDismiss: boolean;
}

const LIVE = new Set<string | null>(["queued", "in_progress"]);

export function remedyOf({ readable, queue, job_id, job_status, redriven, dismissed }: DeadLetter): Remedy {
  const isUntouched = redriven === null && dismissed === null;
  return {
    canRedrive: readable && redriven === null,
    makesJob: queue === "jobs" && job_status !== null && !LIVE.has(job_status),
    // One letter is dismissed by its job: what is about none, or cannot be read, goes by its reason, with others.
    canDismiss: isUntouched && job_id?.startsWith("job_") === true,
  };
}
