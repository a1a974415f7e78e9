/** SQLite's own codes, of those that a user can do something about. */
const ADVICE: Readonly<Record<number, string>> = {
  8: "it cannot be written",
  10: "the disk failed",
  11: "it is damaged: move it away to start empty, or restore a copy",
  13: "the disk is full: free some space",
  14: "it cannot be opened",
  26: "it is damaged: it is no database",
};

/** What is wrong with the store, if the failure is the store's; undefined for any other. */
export function storeFailure(thrown: unknown): string | undefined {
  const { code, errcode, message } = (thrown ?? {}) as {
    code?: unknown;
    errcode?: unknown;
    message?: unknown;
  };
  if (code !== "ERR_SQLITE_ERROR" || typeof errcode !== "number") return undefined;
  // The low byte is the primary code; the rest says more.
  const advice = ADVICE[errcode & 0xff];
  return `The store failed, nothing was changed: ${advice ?? String(message)} (${String(message)}).`;
}
