import { z } from "zod";

const perMillion = z.number().nonnegative().max(1_000_000);
const tokens = z.number().int().positive().max(1_000_000_000);
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "a time of day, UTC: 16:30");

/** Prices of a million tokens. */
const kinds = {
  input_per_million: perMillion.describe("Of the prompt."),
  output_per_million: perMillion.describe("Of the answer."),
  cached_input_per_million: perMillion.optional().describe("Without it: as other input."),
  cache_write_per_million: perMillion.optional().describe("Without it: as other input."),
  image_input_per_million: perMillion.optional().describe("Without it: as other input."),
  audio_input_per_million: perMillion.optional().describe("Without it the cost of such a call is unknown."),
  audio_output_per_million: perMillion.optional().describe("Without it the cost of such a call is unknown."),
};
const changes = z.strictObject(kinds).partial().shape;

/** What a deployment's tokens cost. Tiers, windows and service tiers name what differs there; the rest stays. */
export const priceSchema = z.strictObject({
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, "an ISO 4217 code")
    .describe("An ISO 4217 code."),
  ...kinds,
  tiers: z
    .array(z.strictObject({ above_input_tokens: tokens.describe("Longer than so much."), ...changes }))
    .optional()
    .describe("Of a call whose input is longer: the whole call is billed so."),
  windows: z
    .array(
      z.strictObject({
        days: z.array(z.enum(DAYS)).min(1).optional().describe("Those it begins on; without it every day."),
        from: timeOfDay.describe("Time of day, UTC."),
        to: timeOfDay.describe("Time of day, UTC; before `from`: of the next day."),
        ...changes,
      }),
    )
    .optional()
    .describe("Of a call whose answer comes between two times of day, UTC; `days` are those it begins on."),
  service_tiers: z
    .record(z.string().min(1).max(64), z.strictObject(changes))
    .optional()
    .describe("Of a call that the lab says it served in another tier: `flex`, `priority`."),
});
export type Price = Readonly<z.infer<typeof priceSchema>>;
export type Rates = Readonly<Pick<Price, keyof typeof kinds>>;

/** What a call's price depends on besides its tokens. */
export interface Served {
  readonly inputTokens: number;
  /** When the answer came, Unix ms. */
  readonly atMs: number;
  /** Undefined: the ordinary one. */
  readonly serviceTier: string | undefined;
}

/** The rates of one call; of several changes the later wins: window, length, service tier. Undefined: a tier without price. */
export function ratesOf(price: Price, { inputTokens, atMs, serviceTier }: Served): Rates | undefined {
  const window = price.windows?.find((each) => isWithin(each, atMs));
  const tier = price.tiers
    ?.filter((each) => inputTokens > each.above_input_tokens)
    .toSorted((a, b) => a.above_input_tokens - b.above_input_tokens)
    .at(-1);
  const service = serviceTier === undefined ? {} : price.service_tiers?.[serviceTier];
  return service === undefined ? undefined : ({ ...price, ...window, ...tier, ...service } as Rates);
}

/** The dearest a call of so much input can be, whenever it ends. @param audio whether sound goes in or comes out */
export function dearestRates(
  price: Price,
  { inputTokens, serviceTier, audio }: Omit<Served, "atMs"> & { readonly audio: boolean },
): Rates {
  const served = { inputTokens, atMs: 0, serviceTier };
  const all = [undefined, ...(price.windows ?? [])].map((window) => {
    const at = { ...price, ...window, windows: undefined } as Price;
    const rates = ratesOf(at, served) ?? ratesOf(at, { ...served, serviceTier: undefined }) ?? price;
    const { cache_write_per_million: write = 0, image_input_per_million: image = 0 } = rates;
    const audioIn = (audio && rates.audio_input_per_million) || 0;
    const audioOut = (audio && rates.audio_output_per_million) || 0;
    return {
      input: Math.max(rates.input_per_million, write, image, audioIn),
      output: Math.max(rates.output_per_million, audioOut),
    };
  });
  return {
    input_per_million: Math.max(...all.map(({ input }) => input)),
    output_per_million: Math.max(...all.map(({ output }) => output)),
  };
}

const DAY_MINUTES = 24 * 60;

/** Whether a time lies in a window, which may go past midnight; one that ends when it begins is a whole day. */
function isWithin(
  { days, from, to }: { days?: readonly string[] | undefined; from: string; to: string },
  atMs: number,
): boolean {
  const at = new Date(atMs);
  const minute = at.getUTCHours() * 60 + at.getUTCMinutes();
  const begins = minutesOf(from);
  const lasts = (minutesOf(to) - begins + DAY_MINUTES) % DAY_MINUTES || DAY_MINUTES;
  const since = (minute - begins + DAY_MINUTES) % DAY_MINUTES;
  if (since >= lasts) return false;
  const beganOn = (at.getUTCDay() + (minute < begins ? 6 : 0)) % 7;
  return days === undefined || days.includes(DAYS[beganOn] ?? "");
}

function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(":").map(Number);
  return hours * 60 + minutes;
}
