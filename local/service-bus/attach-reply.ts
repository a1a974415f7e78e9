import type { AmqpError } from "./errors.ts";
import { type InsideLink, insideLink, type Link } from "./rhea-inside.ts";

/**
 * What a peer hears when it attaches a link. rhea writes the reply at the end of the turn in which the attach came,
 * unless it is held. A reply that names neither source nor target announces a detach with an error: a client waits
 * for it then, and takes any other reply for an open link.
 */

const held = new WeakSet<InsideLink>();

/** How deliveries are settled is the peer's choice. The .NET client takes no answer for another choice. */
export function echoSettleModes(link: Link): void {
  const { local, remote } = insideLink(link);
  local.attach.snd_settle_mode = remote.attach.snd_settle_mode;
  local.attach.rcv_settle_mode = remote.attach.rcv_settle_mode;
}

/** Names both ends: the link is open. `filter`: what the source lets through, where that is not everything. */
export function admit(link: Link, filter?: Record<string, unknown>): void {
  const { source, target } = insideLink(link).remote.attach;
  const address = source?.address ?? "";
  link.set_source((filter === undefined ? { address } : { address, filter }) as never);
  link.set_target({ address: target?.address ?? "" });
}

/** Ends a link with an error, whether it was admitted or not. */
export function refuse(link: Link, { condition, description }: AmqpError): void {
  answerHeld(link);
  link.close({ condition, description } as never);
}

/** Keeps the reply back until `answerHeld`. */
export function hold(link: Link): void {
  const inside = insideLink(link);
  inside.state.local_open = false;
  inside.state.open_requests = 0;
  held.add(inside);
}

/**
 * Lets go a reply that was held. Not for a link that its peer has given up meanwhile: rhea, as a client, takes the
 * reply for the peer's wish to open it again.
 */
export function answerHeld(link: Link): void {
  if (held.delete(insideLink(link))) link.open();
}
