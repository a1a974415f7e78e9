import { parseArgs } from "node:util";
import type { FreezeMode } from "../host/freezer.ts";

/** How the functions of the app are laid out over processes. */
export interface Layout {
  /** Host processes; of each group of functions where they are split. */
  readonly instances: number;
  readonly split: boolean;
  /** Idle processes are frozen, ended and started again; needs `split`. */
  readonly freeze: FreezeMode | undefined;
  /** Spans are printed, one JSON object a line. */
  readonly telemetry: boolean;
  /** Of what the platform leaves to chance when processes freeze. */
  readonly seed: number;
}

/** The command line of `npm start` is not valid; the message says which part and what it may be. */
export class CommandLineInvalid extends Error {
  override readonly name = "CommandLineInvalid";
}

const MAX_INSTANCES = 64;
const MAX_SEED = 4_294_967_295;

export const HELP = `Usage: npm start [-- --instances N] [--split [--freeze[=hard]] [--seed N]] [--telemetry]

Runs the whole service on this machine: emulators, simulated models and N Functions hosts behind one port.
Prints "ready http://127.0.0.1:PORT" once it serves; SIGINT or SIGTERM end it, a second SIGINT at once.

  --instances N    host processes, 1 to ${MAX_INSTANCES} (1); with --split, of each group
  --split          as Flex Consumption does: all HTTP functions in processes of their own, every other function in
                   processes of its own (FUNCTIONS_TARGET_GROUP)
  --freeze         with --split: a process without an invocation for 2 s closes its receivers and is stopped; after
                   20 s it is ended, and started again, 1 to 5 s later, when there is work for it
  --freeze=hard    the same, but it is stopped as it is, and killed
  --seed N         of what is left to chance with --freeze, 0 to ${MAX_SEED} (any)
  --telemetry      prints the spans of every job, one JSON object a line
  --help           this text

Settings (environment, then local.settings.json): PORT (7071), DATA_DIR (.switchyard), SERVICEBUS_PORT (5672),
COSMOS_PORT (8081), MODEL_ENDPOINTS_PORT (7072), MODEL_LATENCY_SCALE (1), SERVICEBUS_CONFIG, MODELS_FILE,
TENANTS_FILE, SERVICEBUS, COSMOS, DRAIN_SECONDS (10), HOST_CUT_SECONDS (none), FREEZE_TIME_SCALE (1). A port of 0
takes a free one.
`;

/** The layout the arguments ask for; undefined where they ask for help. Throws CommandLineInvalid. */
export function readLayout(args: readonly string[], anySeed: () => number): Layout | undefined {
  const { values } = parsed(args);
  if (values.help === true) return undefined;
  const instances = wholeNumber("--instances", values.instances, 1, MAX_INSTANCES) ?? 1;
  const seed = wholeNumber("--seed", values.seed, 0, MAX_SEED);
  const { split = false, telemetry = false, freeze } = values;
  if (freeze !== undefined && freeze !== "drain" && freeze !== "hard") {
    throw new CommandLineInvalid(`--freeze is alone or --freeze=hard; it is "--freeze=${freeze}".`);
  }
  if (freeze !== undefined && !split) {
    throw new CommandLineInvalid("--freeze needs --split: what freezes are the processes of a group.");
  }
  if (seed !== undefined && freeze === undefined) {
    throw new CommandLineInvalid("--seed needs --freeze: nothing else is left to chance.");
  }
  return { instances, split, freeze, telemetry, seed: seed ?? anySeed() };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      // An option's value is never left out for parseArgs.
      args: args.map((argument) => (argument === "--freeze" ? "--freeze=drain" : argument)),
      options: {
        instances: { type: "string" },
        split: { type: "boolean" },
        freeze: { type: "string" },
        seed: { type: "string" },
        telemetry: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new CommandLineInvalid(`${why}\nnpm start -- --help lists what there is.`, { cause: thrown });
  }
}

function wholeNumber(name: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new CommandLineInvalid(`${name} must be ${min} to ${max}; it is "${text}".`);
}
