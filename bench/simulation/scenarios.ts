/** What happens to a lab's deployments, in shares of the scenario's length. */
export interface Trouble {
  /** `down`: every call fails. `less`: so large a part of the quota is left. `foreign`: others take so large a part. */
  readonly kind: "down" | "less" | "foreign";
  readonly lab: number;
  readonly from: number;
  readonly to: number;
  readonly share?: number;
}

export interface Scenario {
  readonly name: string;
  readonly what: string;
  readonly jobs: number;
  /** How long jobs are offered: a share of the time the quota takes for them without troubles. */
  readonly offeredOver: number;
  /** How much the offered load goes up and down, and how often; 0: steady. */
  readonly wave: number;
  readonly waves: number;
  readonly instances: number;
  readonly tenants: number;
  /** Zipf's exponent: the n-th tenant offers jobs in proportion to n to the power of minus this. */
  readonly skew: number;
  readonly labs: number;
  readonly deployments: number;
  /** Each over as many deployments, of several labs; tenants use one to three of them. */
  readonly routes: number;
  /** Jobs an hour that all the quota serves, of 1,000 tokens. */
  readonly quotaJobsAnHour: number;
  readonly troubles: readonly Trouble[];
  /** Buckets begin as a service finds them that nobody has used; absent: empty, so that all quota is what flows. */
  readonly bucketsFull?: boolean;
}

const FULL = {
  ...{ wave: 0, waves: 1, instances: 200, tenants: 1_000, skew: 1, labs: 5, deployments: 100, routes: 10 },
  ...{ quotaJobsAnHour: 1_000_000, troubles: [] },
};

export const SCENARIOS: readonly Scenario[] = [
  {
    ...FULL,
    name: "backlog",
    what: "all jobs offered in the first tenth of the time that the quota takes for them",
    jobs: 100_000,
    offeredOver: 0.1,
  },
  {
    ...FULL,
    name: "hour",
    what: "an hour: load in waves above and below the quota; a lab down, another with half its quota, a third shared with a stranger",
    jobs: 1_000_000,
    ...{ offeredOver: 1, wave: 0.35, waves: 3 },
    troubles: [
      { kind: "down", lab: 0, from: 0.12, to: 0.2 },
      { kind: "less", lab: 1, from: 0.35, to: 0.55, share: 0.5 },
      { kind: "foreign", lab: 2, from: 0.65, to: 0.85, share: 0.4 },
    ],
  },
  {
    ...FULL,
    name: "small",
    what: "5 instances, 40 tenants, 12 deployments of three labs; a lab down for a tenth of the time",
    ...{ jobs: 20_000, offeredOver: 0.5, quotaJobsAnHour: 120_000 },
    ...{ instances: 5, tenants: 40, labs: 3, deployments: 12, routes: 2 },
    troubles: [{ kind: "down", lab: 0, from: 0.3, to: 0.4 }],
  },
];

/** A scenario's world with a part of its quota, and as small a part of all who share it. */
export function partOf(scenario: Scenario, part: number): Scenario {
  const some = (count: number) => Math.max(1, Math.round(count * part));
  const { deployments, instances, tenants, routes, quotaJobsAnHour } = scenario;
  return {
    ...scenario,
    ...{ deployments: some(deployments), instances: some(instances), tenants: some(tenants) },
    ...{ routes: some(routes), quotaJobsAnHour: some(quotaJobsAnHour) },
  };
}
