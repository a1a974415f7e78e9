/**
 * What a model has thought, as a client keeps it for the model: only the deployment that gave it can read it, so it is
 * named in it.
 */
export const SEAL = "sy1.";

/** @param content what the lab gave */
export function sealedFor(deployment: string, content: string): string {
  return `${SEAL}${Buffer.from(deployment).toString("base64url")}.${content}`;
}

/** Undefined: it is no such text, but a lab's own. */
export function unsealed(
  text: string,
): { readonly deployment: string; readonly content: string } | undefined {
  if (!text.startsWith(SEAL)) return undefined;
  const [name = "", ...content] = text.slice(SEAL.length).split(".");
  return { deployment: Buffer.from(name, "base64url").toString(), content: content.join(".") };
}
