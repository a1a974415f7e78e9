/** Problems as a person at a form reads them: fields by their labels, and nothing that only a program can do. */

/** The labels of fields, by what the API calls them. */
const LABELS: Readonly<Record<string, string>> = {
  ...{ max_cost: "At most it may cost", deadline: "Deadline, seconds from now", metadata: "Metadata" },
  ...{ "Idempotency-Key": "Idempotency key", model: "Model", endpoint: "Endpoint", priority: "Priority" },
  ...{ id: "Id", weight: "Weight", weights: "Weights", reason: "Reason", name: "Its name" },
  ...{ allow_models: "Models it may ask for", deny_providers: "Labs that never see its prompts" },
  ...{ submits_per_second: "Submits a second", burst: "Submits at once", currency: "Currency" },
  ...{ per_day: "A day", per_month: "A month", key_sha256: "SHA-256 of keys", expires_at: "Last day" },
  ...{ entra_app_ids: "Application ids", entra_scopes: "Scopes", completion_window: "Completion window" },
  ...{ requests_per_minute: "Requests a minute", tokens_per_minute: "Tokens a minute" },
  ...{ concurrency: "Calls at a time" },
};

/** The label of what a fault is about; undefined: it is no field, as of a body that is written as JSON. */
export function labelOf(path: string): string | undefined {
  const names = path.split("/").filter((each) => each !== "");
  if (names[0] === "body") return undefined;
  const name = names.findLast((each) => Object.hasOwn(LABELS, each));
  return name === undefined ? undefined : LABELS[name];
}

/** What is wrong with a field, without the words of the library that found it. */
export function faultWords(message: string): string {
  return message
    .replace(/^Too (?:small|big): expected \w+ to (?:be|have) ([<>]=?)(\S+)/, (_, sign, bound) => {
      const words = { ">": "more than", ">=": "at least", "<": "less than", "<=": "at most" }[sign as string];
      return `must be ${words} ${bound}`;
    })
    .replace(/^Invalid input: expected (\w+), received .*/, "must be a $1")
    .replace(/^is not in Unix seconds.*/, "is too far away");
}

/**
 * What its reader can do, as far as that can be done here: sentences about the API itself are left out.
 * @param retryAfterSeconds as the service asked for
 */
export function adviceWords(advice: string, retryAfterSeconds?: number): string | undefined {
  const words = advice
    .replace(
      /`Retry-After` seconds|as long as `Retry-After` says/,
      retryAfterSeconds === undefined ? "some time" : `${retryAfterSeconds} s`,
    )
    .replace("`max_cost`", `“${LABELS.max_cost}”`)
    .split(/(?<=\.) /)
    .map((sentence) => {
      const clauses = sentence.split("; ");
      const end = clauses.findIndex((each) => /`(detail|faults|If-None-Match)|\bGET /.test(each));
      return (end < 0 ? clauses : clauses.slice(0, end)).join("; ").replace(/([^.])$/, "$1.");
    })
    .filter((sentence) => sentence !== "")
    .join(" ");
  return words === "" ? undefined : words;
}

const UNNAMED: Readonly<Record<number, string>> = {
  413: "That is too large to be sent.",
  414: "That is too long: shorten what you typed.",
  431: "That is too long: shorten what you typed.",
};

/** What a refusal says that is none of the service's own. */
export function statusWords(status: number, text: string): string {
  return UNNAMED[status] ?? (text.trim().slice(0, 500) || `The service answers ${status}.`);
}

/** What cannot stand in a header of a request; undefined: all of it can. */
export function headerFault(text: string): string | undefined {
  return /^[\x20-\x7e]*$/.test(text) ? undefined : "Letters without accents, digits and signs only (ASCII).";
}
