export const SYSTEM_FIELDS = ["_rid", "_self", "_etag", "_attachments", "_ts"];

export function systemFields(etag: string, ts: number, rid: string, containerSelf: string): string {
  // Ids in base64 and etags of hexadecimal digits need no escaping.
  return `"_rid":"${rid}","_self":"${containerSelf}docs/${rid}/","_etag":"\\"${etag.slice(1, -1)}\\"","_attachments":"attachments/","_ts":${ts}}`;
}

/** The system fields are put behind the client's own text, which is long and need not be written again. */
export function withSystemFields(item: Record<string, unknown>, text: string, system: string): string {
  const clean = !SYSTEM_FIELDS.some((name) => name in item);
  const own = clean
    ? text.trimEnd()
    : JSON.stringify(
        Object.fromEntries(Object.entries(item).filter(([name]) => !SYSTEM_FIELDS.includes(name))),
      );
  return own === "{}" ? `{${system}` : `${own.slice(0, -1)},${system}`;
}
