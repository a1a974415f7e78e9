/** An answer of Azure's: its HTTP status, the `code` that goes with it and, where there is one, its sub-status. */
export class CosmosError extends Error {
  override readonly name = "CosmosError";
  readonly status: number;
  readonly substatus: number | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(
    status: number,
    message: string,
    more: { substatus?: number | undefined; retryAfterMs?: number | undefined } = {},
  ) {
    super(message);
    this.status = status;
    this.substatus = more.substatus;
    this.retryAfterMs = more.retryAfterMs;
  }

  get code(): string {
    return CODES[this.status] ?? "InternalServerError";
  }
}

const CODES: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  408: "RequestTimeout",
  409: "Conflict",
  410: "Gone",
  412: "PreconditionFailed",
  413: "RequestEntityTooLarge",
  429: "TooManyRequests",
  449: "RetryWith",
  503: "ServiceUnavailable",
};

export const badRequest = (message: string, substatus?: number) =>
  new CosmosError(400, message, substatus === undefined ? {} : { substatus });
/** The service's own words: its clients look for this text. */
export const tooLarge = (why: string) =>
  new CosmosError(413, `Message: {"Errors":["Request size is too large"]}\r\n${why}.`);
export const notFound = (what: string) => new CosmosError(404, `Resource Not Found: ${what}`);
