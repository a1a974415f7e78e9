import type { Refusal } from "./refusal.ts";

/** What a refusal is about, told by its codes and words: labs use one HTTP status for many of them. */
export type Fault =
  | "content" // what the request says is not allowed
  | "too_long" // more than the model's context takes
  | "credential"
  | "account" // no money, or a quota that is bought, is left
  | "unknown_model" // or an operation that the deployment does not have
  | "over_limit" // more at once than the rate limit's whole window lets in
  | "rate"
  | "not_permitted"
  | "passing"; // what lies between broke our JSON or the call, or the server did, whatever status it chose

/** Whole codes, in lower case and without `_`, `-`, `.` and blanks. */
const CODES: Readonly<Record<Fault, readonly string[]>> = {
  content: [
    ...["contentfilter", "contentfiltered", "contentpolicyviolation", "responsibleaipolicyviolation"],
    ...["invalidprompt", "moderationblocked", "datainspectionfailed", "promptblocked", "prohibitedcontent"],
    ...["biopolicy", "cyberpolicy", "cyberpolicyviolation", "misalignmentpolicyviolation", "contentblocked"],
    ...["safety", "sensitivecontent", "inputmoderation", "imagecontentpolicyviolation"],
    ...["contentmoderation", "guardrailintervened", "1026", "1027", "1301"], // MiniMax, Zhipu
  ],
  too_long: [
    ...["contextlengthexceeded", "exceedcontextsizeerror", "contextwindowexceeded", "stringabovemaxlength"],
    ...["tokenslimitreached", "requesttoolarge", "prompttoolong", "inputtoolong", "maxtokensexceeded"],
    ...["modelcontextwindowexceeded", "contextlengthexceedederror", "contextwindowexceedederror"],
    ...["1039", "1261"], // MiniMax, Zhipu
  ],
  credential: [
    ...["invalidapikey", "apikeyinvalid", "incorrectapikey", "missingapikey", "authenticationerror"],
    ...["invalidauthentication", "invalidauthenticationerror", "unauthenticated", "unauthorized"],
    ...["expiredtoken", "tokenexpired", "invalidtoken", "invalidcredentials", "accesstokenexpired"],
    ...["401", "autherror", "authfailure", "1004", "2049"], // relays; MiniMax
  ],
  account: [
    ...["insufficientquota", "billinghardlimitreached", "billingnotactive", "insufficientbalance"],
    ...[
      "insufficientfunds",
      "insufficientcredits",
      "creditbalancetoolow",
      "arrearage",
      "accountoverdueerror",
    ],
    ...["exceededcurrentquotaerror", "paymentrequired", "accountdeactivated", "usagelimitreached"],
    ...["creditlimit", "billingerror", "organizationrestricted", "allocationquotafreetieronly"],
    ...["402", "1008", "1113"], // relays; MiniMax, Zhipu
  ],
  unknown_model: [
    ...["deploymentnotfound", "modelnotfound", "unknownmodel", "invalidmodel", "modelnotavailable"],
    ...["modeldeprecated", "operationnotsupported", "modelnotsupported", "modeldecommissioned"],
    "deploymentnotready",
  ],
  over_limit: [],
  rate: [
    ...["ratelimitexceeded", "ratelimiterror", "ratelimit", "ratelimited", "toomanyrequests"],
    ...["resourceexhausted", "throttling", "throttled", "throttlingexception", "throttlingratequota"],
    ...["429", "1002", "1302", "1305"], // relays; MiniMax, Zhipu
  ],
  not_permitted: ["dataresidencymismatch", "unsupportedcountryregionterritory"],
  passing: [
    ...["servererror", "internalerror", "internalservererror", "upstreamerror", "dorequestfailed"],
    ...["overloaded", "overloadederror", "engineoverloaded", "engineoverloadederror", "serveroverloaded"],
    ...[
      "serviceunavailable",
      "unavailable",
      "unavailableerror",
      "badgateway",
      "gatewaytimeout",
      "networkerror",
    ],
    ...["500", "502", "503", "504", "529"],
  ],
};
const BY_CODE: ReadonlyMap<string, Fault> = new Map(
  Object.entries(CODES).flatMap(([fault, codes]) => codes.map((code) => [code, fault as Fault] as const)),
);

/** Which of several codes counts, the first of these: a lab's general `rate_limit_error` says less than its reason. */
const BY_WEIGHT: readonly Fault[] = [
  "content",
  "too_long",
  "account",
  "credential",
  "unknown_model",
  "not_permitted",
  "rate",
  "passing",
];

/** Words that labs use for it. They are looked at only where no code tells, and only at their beginning. */
const WORDS: readonly (readonly [Fault, RegExp])[] = [
  [
    "passing",
    /could not parse the json body|(request )?body is not valid json|error parsing (the )?(request )?body/i,
  ],
  ["over_limit", /request too large for|requested tokens? exceeds? (the )?(rate )?limit/i],
  [
    "account",
    /insufficient (account )?(balance|quota|funds|credits?)|(credit|account) balance is|(out of|(no|any|more|enough|all) (available )?) ?credits\b(?! (were|was|is))|(credit|spending|billing|usage) (hard )?limit|exceeded your current quota|payment required|(account|organization|team|subscription) .{0,30}(suspended|deactivated|restricted|overdue|in arrears|inactive)|inactive subscription|free tier .{0,40}exhausted|call volume quota|\blimit: 0\b|余额|欠费|充值|额度已用/i,
  ],
  [
    "credential",
    /(api[- _]?key|access token|credentials?|subscription key|bearer token|jwt)\b.{0,40}\b(invalid|incorrect|not valid|missing|expired|revoked|wrong|required)|(invalid|incorrect|missing|expired|wrong|no) (\w+ )?(api[- _]?key|access token|credentials?|subscription key|bearer token|jwt)|authentication (error|fails|failed|failure|required)|login fail/i,
  ],
  [
    "content",
    /content[ _](filter|polic|management|safety|moderation|exists risk)|usage (polic|guideline)|responsible ai|safety[ _](check|system|filter|polic)|flagged (as|by|for)|(input|prompt|content|request|message)s? (was|were|is|are|has been|have been) flagged|guardrail|(by|failed) (our |the )?moderation|moderation (system|filter|polic)|inappropriate content|prohibited[ _]content|(sensitive|unsafe) (content|words?)|violat\w+ .{0,60}(polic|guideline|terms)|敏感|违规/i,
  ],
  [
    "too_long",
    /context (length|window|size)|maximum context|(prompt|input|request|conversation)( \w+)? (is|are|was) too (long|large)|tokens too long|too many (input |prompt )?tokens|reduce the length|exceed(s|ed|ing)? (the |your )?(maximum|max|model'?s?|limit of|available|allowed) .{0,40}(token|context|length)|(token|input) (count|length) .{0,40}exceed|range of input length|inputs?\W+tokens\b.{0,40}must be <=|must have (less|fewer) than \d+ tokens|entity too large/i,
  ],
  [
    "unknown_model",
    /(model|deployment)\b.{0,80}\b(does not exist|not exist|not found|is no longer available|is not available|has been (retired|deprecated|decommissioned|shut down))|(unknown|no such|invalid) model\b|is not a valid model|model ['"`]?[\w./:@-]+['"`]? is not (supported|a valid)|access to (the )?model\b|operation does not work with the specified model|api version .{0,20}not supported/i,
  ],
  ["rate", /\brate[- ]?limit|request limit reached|too many requests|\bthrottl/i],
  [
    "not_permitted",
    /country, region|(country|region|location) is not supported|not available in your (country|region)/i,
  ],
  [
    "passing",
    /\b(server|engine|model|service) is (currently )?(overloaded|busy|loading)|upstream (error|connect)/i,
  ],
];

/** A reason stands at the beginning; further on a refusal may repeat what it was sent. */
const REASON_CHARS = 250;

/** What a refusal's codes say; undefined: nothing that is known. */
export function faultByCode({ codes }: Pick<Refusal, "codes">): Fault | undefined {
  const faults = codes.flatMap((code) => BY_CODE.get(code.replace(/[-_.\s]/g, "")) ?? []);
  return BY_WEIGHT.find((fault) => faults.includes(fault));
}

/** What its codes, or else its words say. */
export function faultOf(refusal: Refusal): Fault | undefined {
  const words = refusal.words.slice(0, REASON_CHARS);
  const byCode = faultByCode(refusal);
  // A general code with particular words: the words tell more.
  if (byCode !== undefined && byCode !== "rate" && byCode !== "passing") return byCode;
  return isOverLimit(words)
    ? "over_limit"
    : (WORDS.find(([, pattern]) => pattern.test(words))?.[0] ?? byCode);
}

/** «Limit 10000, Requested 12000»: alone it is more than the whole window lets in. */
function isOverLimit(words: string): boolean {
  const [, limit, requested] = /limit:? (\d+),.{0,40}requested:? (\d+)/i.exec(words) ?? [];
  return limit !== undefined && Number(requested) > Number(limit);
}
