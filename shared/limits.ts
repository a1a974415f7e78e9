/** Every bound of the service, with its unit in its name and its reason beside it. */

/** A body, escapes included, that lies in its item: an item and a batch hold 2 MB, the rest is room for job and record. */
export const MAX_INLINE_BYTES = 1_900_000;
/** Of a larger body a piece, escapes included: up to here a kilobyte costs 0.35 request units, beyond it 0.6. */
export const CHUNK_BYTES = 512 * 1024;
/** Chunks that no batch has committed after so long are removed: no call and no upload is that slow to be stored. */
export const UNCOMMITTED_MS = 3_600_000;
/** The whole HTTP body of a submit: some images. */
export const MAX_REQUEST_BYTES = 8 * 1024 * 1024;
/** Deeper JSON is an attack on recursive parsers, here or in a deployment. */
export const MAX_NESTING_LEVELS = 64;
/** A body of `[[],[],…]` takes fourteen times its bytes once it is parsed; vectors of a thousand numbers are well below. */
export const MAX_JSON_VALUES = 50_000;
export const MAX_IDEMPOTENCY_KEY_CHARS = 255;
/** As OpenAI's own metadata. */
export const MAX_METADATA_PAIRS = 16;
export const MAX_METADATA_KEY_CHARS = 64;
export const MAX_METADATA_VALUE_CHARS = 512;
export const MAX_MODEL_NAME_CHARS = 128;
/** Of a tenant's jobs that may begin in the same second, as accepted by one instance: about what it may submit in one. */
export const MAX_STARTS_PER_SECOND = 200;
/** A held connection costs a socket: no longer than the usual load balancer allows. */
export const MAX_WAIT_SECONDS = 60;
export const MAX_LIST_LIMIT = 100;
export const DEFAULT_LIST_LIMIT = 20;
/** Responses in one page of a list: no more than a large answer takes by itself. */
export const MAX_PAGE_RESPONSE_BYTES = 8 * 1024 * 1024;
/** Jobs that one request cancels: some seconds. */
export const MAX_CANCELLED_AT_ONCE = 500;
/** Bytes read of a deployment's answer before the call is given up: a thousand vectors, or some images. */
export const MAX_RESPONSE_BYTES = 32 * 1024 * 1024;
/** Foundry's reasoning calls may take 29 minutes. */
export const MAX_CALL_SECONDS = 30 * 60;
/** Attempts that a job may lose with their workers: a job that kills its worker each time ends, one that meets many restarts does not. */
export const MAX_LOST_ATTEMPTS = 20;
/** Longest wait a Retry-After can ask for in one go; after it the job looks again. */
export const MAX_RETRY_AFTER_SECONDS = 600;
/** A job that cannot be found after this many looks, each twice as late (about an hour and a half), does not exist. */
export const MAX_NUDGE_LOOKS = 12;
/** Faults listed in one problem: enough to correct a form, no more than a page. */
export const MAX_FAULTS = 20;
/** Requests whose caller is not known yet, on one instance: a known key is not among them, whatever a token's issuer does. */
export const MAX_UNKNOWN_CALLERS = 64;
/** Of those, tokens that wait for their issuer: the rest is for keys that have just been made. */
export const MAX_WAITING_FOR_ISSUER = 32;
/** What a body is parsed into takes so many times its bytes of memory, about. */
export const PARSED_BYTES_PER_BYTE = 8;
/** Then, until its request is answered: its text, that of the batch which stores it, and the buffers of both. */
export const KEPT_BYTES_PER_BYTE = 4;
/** Requests that a worker has read and not decided on: some milliseconds each, and memory that nothing else counts. */
export const MAX_READING = 32;
/** For the response of a job that has ended, at replicas that lag: 0.75 s with the pauses between, then the client asks again. */
export const MAX_RESPONSE_LOOKS = 5;
/** A submit's body is in memory while its client waits: with a longer one it is answered at once. */
export const MAX_HELD_SUBMIT_BYTES = 256 * 1024;
/** Requests that are turned away are counted, and logged this often: under load a line for each would be more load. */
export const TURNED_AWAY_LOG_EVERY_MS = 10_000;
/** Live jobs that GET /api/ops/status looks at: about one request unit each, whatever the backlog. */
export const MAX_STATUS_JOBS = 2_000;
/** Jobs before a job in its line are counted up to here: each is an item that the store reads. */
export const MAX_AHEAD = 100;
/** Dead letters that one request redrives or dismisses: a batch holds a hundred operations. */
export const MAX_LETTERS_AT_ONCE = 50;
/** Length of a dead letter's id, reason and description, which are whatever its sender wrote. */
export const MAX_DEAD_LETTER_TEXT_CHARS = 1_024;
/** Jobs a sweep looks at in a page, and pages in a round: the next round goes on with the rest. */
export const SWEEP_PAGE_JOBS = 100;
export const SWEEP_MAX_PAGES = 20;
/** Jobs that a sweep has in hand at once: one slow answer does not hold up a round of hundreds. */
export const SWEEP_AT_ONCE = 10;
/** Jobs that may fail in a round before it ends: a few are bad luck, so many are an outage. */
export const SWEEP_MAX_FAILURES = 10;
/** How long a round waits for Service Bus to take a nudge: no other round runs meanwhile, and the next sends it again. */
export const SWEEP_SEND_PATIENCE_MS = 2_000;
/** Hosts' clocks may differ by this much, and a dead host's lease is still found as soon as any other. */
export const MAX_CLOCKS_APART_MS = 120_000;
/** An operator's change is a few lines of JSON. */
export const MAX_OPS_BODY_BYTES = 65_536;
export const MAX_OPS_REASON_CHARS = 500;
/** Deployments, routes and switches that are set are one item, which holds 2 MB with all that is told of it. */
export const MAX_MANAGED_CATALOGUE_BYTES = 1_000_000;
/** A tenant's keys are one item, read whole by every instance. */
export const MAX_KEYS_PER_TENANT = 50;
/** One question about usage: a month. Each day of a busy tenant is many pages of records. */
export const MAX_USAGE_DAYS = 31;
/** Rows of an answer about usage: about 3 MB of JSON. */
export const MAX_USAGE_ROWS = 10_000;
