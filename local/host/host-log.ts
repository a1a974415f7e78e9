import { writeSync } from "node:fs";

export type LogLevel = "trace" | "debug" | "information" | "warning" | "error" | "critical" | "none";

const RANK: Record<LogLevel, number> = {
  trace: 0,
  debug: 1,
  information: 2,
  warning: 3,
  error: 4,
  critical: 5,
  none: 6,
};

/** Lines of the host and of the functions it runs; the category says whose, as in Azure ("Function.run-job.User"). */
export interface HostLog {
  write(level: LogLevel, category: string, message: string): void;
  /** Writes what is held back; call before the process ends. */
  flush(): void;
}

/**
 * The lowest level that a category is logged at: the entry of host.json's `logging.logLevel` with the longest name
 * that is a prefix of it, else `default`, else "information".
 */
export function levelOf(category: string, levels: Readonly<Record<string, string>>): LogLevel {
  let best: string | undefined;
  for (const name of Object.keys(levels)) {
    const matches = category === name || category.startsWith(`${name}.`);
    if (matches && (best === undefined || name.length > best.length)) best = name;
  }
  const level = (levels[best ?? "default"] ?? "information").toLowerCase();
  return level in RANK ? (level as LogLevel) : "information";
}

/** POSIX PIPE_BUF on Linux: a write of at most this much to a pipe is never mixed with another process's. */
const MAX_WRITE_BYTES = 4096;

/**
 * One flat JSON object a line: `{time, level, instance, event, message}`, the event being the category; or what a
 * function logged, where that is a JSON object itself. Lines of one turn of the event loop go out together: a write is
 * a system call, and a busy host logs hundreds of lines a second.
 * @param instance the process, for lines that do not name theirs
 */
export function createHostLog(
  levels: Readonly<Record<string, string>>,
  instance: string,
  now: () => number = Date.now,
  output: (text: string) => void = writeToStdout,
): HostLog {
  const thresholds = new Map<string, number>();
  let held = "";
  const flush = () => {
    const text = held;
    held = "";
    if (text !== "") output(text);
  };
  return {
    write(level, category, message) {
      let threshold = thresholds.get(category);
      if (threshold === undefined) {
        threshold = RANK[levelOf(category, levels)];
        thresholds.set(category, threshold);
      }
      if (RANK[level] < threshold) return;
      const said = { time: new Date(now()).toISOString(), level, instance, event: category };
      const line = `${JSON.stringify({ ...said, ...fieldsOf(message, category) })}\n`;
      if (held === "") setImmediate(flush);
      else if (held.length + line.length > MAX_WRITE_BYTES) {
        output(held);
        held = "";
      }
      held += line;
    },
    flush,
  };
}

function fieldsOf(message: string, category: string): object {
  if (!message.startsWith("{")) return { message };
  try {
    return { category, ...(JSON.parse(message) as object) };
  } catch {
    return { message };
  }
}

function writeToStdout(text: string): void {
  const bytes = Buffer.from(text);
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(1, bytes, at);
    } catch (thrown) {
      const code = (thrown as NodeJS.ErrnoException).code;
      if (code === "EAGAIN") continue;
      // Nobody reads any more (the terminal is gone), or the disk is full: there is nowhere left to say so.
      if (code === "EPIPE" || code === "EBADF" || code === "EIO" || code === "ENOSPC") return;
      throw thrown;
    }
  }
}
