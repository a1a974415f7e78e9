/** What the API answers, as far as the console looks at it. */
import type { Cost } from "./rows/words.ts";

export interface List<T> {
  readonly data: readonly T[];
}
export interface Page<T> extends List<T> {
  readonly last_id: string | null;
  readonly has_more: boolean;
}

export const STATUSES = ["queued", "in_progress", "completed", "failed", "cancelled", "expired"] as const;
export type Status = (typeof STATUSES)[number];
export const PRIORITIES = ["high", "standard", "low"] as const;

export interface Waiting {
  readonly reason: string;
  readonly deployment: string | null;
  readonly since: number;
  readonly until: number | null;
  readonly ahead: number | null;
}

export interface Usage {
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly total_tokens: number | null;
}

export interface Job {
  readonly id: string;
  /** For operators. */
  readonly tenant_id?: string;
  readonly status: Status;
  readonly endpoint: string;
  readonly model: string;
  readonly priority: string;
  readonly deployment: string | null;
  readonly provider: string | null;
  readonly simulated: boolean;
  readonly attempts: number;
  readonly waiting: Waiting | null;
  readonly created_at: number;
  readonly not_before: number | null;
  readonly started_at: number | null;
  readonly completed_at: number | null;
  readonly deadline: number;
  readonly usage: Usage | null;
  readonly cost: Cost | null;
  readonly cost_unknown: string | null;
  readonly incomplete: string | null;
  readonly validation: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  /** For its tenant. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly content_deleted_at: number | null;
  readonly redriven_from: string | null;
  readonly redriven_to: string | null;
  readonly response_absent?: string | null;
  readonly response?: {
    readonly status_code: number;
    readonly request_id: string | null;
    readonly body: unknown;
  } | null;
}

export interface Model {
  readonly id: string;
  readonly owned_by: string;
  readonly endpoints: readonly string[];
  readonly capabilities: readonly string[];
  readonly served_by: readonly {
    readonly deployment: string;
    readonly provider: string;
    readonly available: boolean;
  }[];
}

export function hasEnded(status: Status): boolean {
  return status !== "queued" && status !== "in_progress";
}

export interface Comparison {
  readonly id: string;
  readonly status: "in_progress" | "ended";
  readonly created_at: number;
  readonly jobs: readonly {
    readonly model: string;
    readonly job: Job | null;
    readonly latency_ms: number | null;
    readonly holds_schema: boolean | null;
  }[];
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
  readonly cost: Cost | null;
}

export interface ListedComparison {
  readonly id: string;
  readonly status: Comparison["status"];
  readonly created_at: number;
  readonly jobs: readonly { readonly model: string; readonly id: string }[];
  readonly request_counts: Comparison["request_counts"] | null;
  readonly cost: Cost | null;
}

export interface Batch {
  readonly id: string;
  readonly status: string;
  readonly endpoint: string;
  readonly completion_window: string;
  readonly input_file_id: string;
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
  readonly created_at: number;
  readonly in_progress_at: number | null;
  readonly expires_at: number | null;
  readonly completed_at: number | null;
  readonly request_counts: Comparison["request_counts"];
  readonly errors: {
    readonly data: readonly {
      readonly code: string;
      readonly message: string;
      readonly line: number | null;
    }[];
  } | null;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** Of the native door alone. */
  readonly costs?: readonly Cost[];
  readonly unknown_cost_lines?: number;
  readonly ended?: boolean;
}

/** The catalogue that is in force, as its file would have it. */
export interface Catalogue {
  readonly deployments: readonly {
    readonly model: string;
    readonly price: { readonly currency: string };
  }[];
  readonly routes?: readonly { readonly model: string }[];
}
export const CATALOGUE = "/api/ops/export?file=models";

export interface LimitLeft {
  readonly per_minute: number;
  /** Null: not known yet. */
  readonly left: number | null;
}

/** A deployment, as operators see it. */
export interface OpsDeployment {
  readonly name: string;
  readonly provider: string;
  readonly model: string;
  readonly source?: string;
  readonly breaker: "closed" | "open" | "half_open";
  readonly next_probe: number | null;
  readonly in_flight: number;
  readonly longest_seconds: number | null;
  readonly quota: {
    readonly pool: string;
    readonly requests: LimitLeft | null;
    readonly tokens: LimitLeft | null;
  };
  readonly last_error: {
    readonly illness: string;
    readonly message: string;
    readonly at: number;
  } | null;
}

/** Who set something, when and why. */
export interface Made {
  readonly since: number;
  readonly actor: string;
  readonly reason: string | null;
}

export interface Overrides {
  readonly switches: readonly (Made & {
    readonly kind: "provider" | "deployment" | "route";
    readonly name: string;
    readonly state: "off" | "drained";
    readonly mode: string;
  })[];
  readonly limits: readonly (Made & {
    readonly deployment: string;
    readonly limits: Readonly<Record<string, number | string>>;
  })[];
  readonly route_weights: readonly (Made & {
    readonly route: string;
    readonly weights: Readonly<Record<string, number>>;
  })[];
  readonly tenant_weights: readonly (Made & { readonly tenant: string; readonly weight: number })[];
}
