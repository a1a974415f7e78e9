import type { Broker } from "./broker.ts";
import type { DeliveryIo, IncomingMessage, Intake } from "./delivery-io.ts";
import { CONDITION, Refusal, tooLarge } from "./errors.ts";
import { SEND_CREDIT } from "./limits.ts";
import { readBatch, readMessage, type SentMessage } from "./message-in.ts";
import type { Peer } from "./peer.ts";
import type { Queue } from "./queue.ts";

/** Message format of a batch: its data sections hold a message each. */
const BATCH_FORMAT = 0x80013700;
/** A message may be a little larger on the wire than the limit says: what the broker itself adds is not counted. */
const SLACK_BYTES = 1_024;

/** A client's sending link: each message, or batch, is stored whole or refused. */
export class LinkIn implements Intake {
  readonly maxBytes: number;
  readonly credit = SEND_CREDIT;
  readonly #peer: Peer;
  readonly #address: string;
  readonly #io: DeliveryIo;

  constructor(peer: Peer, queue: Queue, io: DeliveryIo) {
    this.#peer = peer;
    this.#address = queue.address;
    this.#io = io;
    this.maxBytes = queue.settings.maxMessageBytes + SLACK_BYTES;
  }

  receive(incoming: IncomingMessage): void {
    const { deliveryId, settled } = incoming;
    const refuse = (error: { condition: string; description: string }) => {
      if (!settled) this.#io.reject(deliveryId, error);
    };
    let messages: SentMessage[];
    try {
      messages = this.#read(incoming);
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown;
      refuse(thrown);
      return;
    }
    const { broker, faults, drop } = this.#peer;
    const store = (silent: boolean) => {
      broker.write(
        () => storeMessages(broker, this.#address, messages),
        () => {
          if (silent) drop();
          else if (!settled) this.#io.accept(deliveryId);
        },
        refuse,
      );
    };
    if (faults.active) faults.apply("send", this.#address, { proceed: store, refuse, drop });
    else store(false);
  }

  #read({ bytes, format, size, fault }: IncomingMessage): SentMessage[] {
    const limit = this.maxBytes - SLACK_BYTES;
    const error = size > limit ? tooLarge(size, limit) : fault;
    if (error !== undefined) throw new Refusal(error.condition, error.description);
    return format === BATCH_FORMAT ? readBatch(bytes) : [readMessage(bytes)];
  }
}

/** All of them or none; their sequence numbers. Call inside `broker.write`. */
export function storeMessages(broker: Broker, address: string, messages: readonly SentMessage[]): number[] {
  const queue = broker.queue(address);
  if (queue === undefined) throw new Refusal(CONDITION.notFound, `The queue '${address}' is gone.`);
  const target = broker.forwardTarget(queue);
  for (const message of messages) target.check(message);
  const now = broker.now();
  const sequences = messages.map((message) => target.enqueue(message, now));
  target.pump();
  return sequences;
}
