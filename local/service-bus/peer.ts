import type { Broker } from "./broker.ts";
import type { AmqpError } from "./errors.ts";
import type { Faults } from "./faults.ts";

/** What the links of one connection share. */
export interface Peer {
  readonly broker: Broker;
  readonly faults: Faults;
  readonly log: (line: string) => void;
  /** Breaks the connection without a word. */
  readonly drop: () => void;
  /** The error for an entity that does not exist, in the words of this connection. */
  readonly notFound: (entity: string) => AmqpError;
}

/** Closes a link with an error. */
export type Refuse = (error: AmqpError) => void;
