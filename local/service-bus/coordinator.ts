import type { Session } from "rhea";
import { insideLink, insideSession, type Link } from "./rhea-inside.ts";

/** The target of a link over which transactions are declared (specification part 4), by number and by name. */
const DESCRIPTORS: ReadonlySet<unknown> = new Set([0x30, "amqp:coordinator:list"]);

const coordinators = new WeakSet<object>();

/** Notes which links of a session are for transactions: rhea does not know their kind of target, and drops it. */
export function noteCoordinators(session: Session): void {
  const inside = insideSession(session);
  const onAttach = inside.on_attach.bind(session);
  inside.on_attach = (frame) => {
    const { performative } = frame;
    if (DESCRIPTORS.has(performative.target?.descriptor?.value)) {
      coordinators.add(performative);
      performative.target = null;
    }
    onAttach(frame);
  };
}

export function isCoordinator(link: Link): boolean {
  return coordinators.has(insideLink(link).remote.attach);
}
