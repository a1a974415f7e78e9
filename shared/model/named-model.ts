/** A JSON object without `model`, with one before its other members, which stay byte for byte. */
export function withNamedModel(objectText: string, name: string): string {
  const member = `"model":${JSON.stringify(name)}`;
  return objectText.replace(/^\s*\{\s*(\}?)/, (_, end: string) => `{${member}${end === "" ? "," : "}"}`);
}
