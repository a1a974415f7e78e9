import { createServer, type Socket } from "node:net";
import rhea from "rhea";
import { type Clock, systemClock } from "../clock.ts";
import { Broker } from "./broker.ts";
import { ClientConnection } from "./client-connection.ts";
import { CONDITION } from "./errors.ts";
import type { FaultPlan } from "./fault-plan.ts";
import { Faults } from "./faults.ts";
import { IDLE_TIMEOUT_MS, MAX_FRAME_BYTES } from "./limits.ts";
import { PLACE, type Place, placeRange } from "./place.ts";
import type { QueueSettings } from "./queue-settings.ts";
import { insideConnection } from "./rhea-inside.ts";
import { saslMechanisms } from "./sasl.ts";
import { guardSocket } from "./socket-guard.ts";
import { Store } from "./store.ts";

export interface ServiceBusOptions {
  /** 0: a free one. */
  readonly port: number;
  /** A path, or ":memory:". */
  readonly databaseFile: string;
  readonly queues: readonly QueueSettings[];
  readonly clock?: Clock;
  /** The clock by which tokens expire: clients write real time into them, whatever clock the queues have. */
  readonly tokenClock?: Clock;
  readonly log?: (line: string) => void;
  readonly faults?: FaultPlan;
  /** A peer silent for twice this long is taken for dead; less than usual for tests. */
  readonly idleTimeoutMs?: number;
}

export interface RunningServiceBus {
  readonly port: number;
  /** Messages by queue and state ("nudges.ready"), operations done ("nudges.ops.sent"), connections, faults. */
  counters(): Record<string, number>;
  /** Another fault plan from now on; NO_FAULTS ends them. */
  setFaults(plan: FaultPlan): void;
  close(): Promise<void>;
}

const CONTAINER_ID = "switchyard-service-bus";
const SHUTTING_DOWN = { condition: CONDITION.forced, description: "The server is shutting down." };

/** A local Azure Service Bus on 127.0.0.1. Throws DatabaseUnusable, or what listening throws (EADDRINUSE). */
export async function startServiceBus(options: ServiceBusOptions): Promise<RunningServiceBus> {
  const { log = (line: string) => console.error(`service-bus: ${line}`) } = options;
  const { clock = systemClock, tokenClock = systemClock } = options;
  const faults = new Faults(clock, options.faults);
  const connections = new Map<Socket, ClientConnection>();
  const store = new Store(options.databaseFile);
  const broker = new Broker({
    store,
    clock,
    queues: options.queues,
    log,
    onReset: () => {
      const error = {
        condition: CONDITION.internal,
        description: "What was not stored is lost; connect again.",
      };
      for (const connection of connections.values()) connection.end(error);
    },
  });

  const server = createServer({ noDelay: true }, (socket) => {
    const container = rhea.create_container({ id: CONTAINER_ID });
    const connection = container.create_connection({
      container_id: CONTAINER_ID,
      max_frame_size: MAX_FRAME_BYTES,
      idle_time_out: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
      reconnect: false,
      sender_options: { autosettle: false, treat_modified_as_released: false },
      receiver_options: { autoaccept: false, autosettle: false, credit_window: 0 },
    } as never);
    const client = new ClientConnection({ broker, connection, faults, log, tokenClock });
    const refuseLogin = (why: string) => {
      log(`${socket.remoteAddress}:${socket.remotePort} is not let in: ${why}`);
      // Once the refusal is written.
      setImmediate(() => socket.end());
    };
    Object.assign(
      container.sasl_server_mechanisms,
      saslMechanisms({ onKey: () => client.showKey(), onRefused: refuseLogin }),
    );
    connections.set(socket, client);
    guardSocket(socket, connection, log, () => {
      client.drop();
      connections.delete(socket);
    });
    insideConnection(connection).accept(socket);
  });

  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(options.port, "127.0.0.1", resolve);
    });
  } catch (thrown) {
    broker.close();
    throw thrown;
  }
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : options.port,
    counters: () => ({
      connections: connections.size,
      faults: faults.injected,
      ...count(broker, store),
    }),
    setFaults: (plan) => faults.set(plan),
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of connections.values()) connection.end(SHUTTING_DOWN);
      // One turn for the farewell to be written; who does not answer it is cut off.
      await new Promise((resolve) => setImmediate(resolve));
      for (const socket of [...connections.keys()]) socket.destroySoon();
      await closed;
      broker.close();
    },
  };
}

function count(broker: Broker, store: Store): Record<string, number> {
  const counters: Record<string, number> = {};
  for (const queue of broker.queues) {
    const { name } = queue.settings;
    const at = (place: Place) => {
      const { first, last } = placeRange(queue.number, place);
      return store.count(first, last);
    };
    const locked = queue.lockCounts();
    counters[`${name}.ready`] = at(PLACE.ready) - locked.ready;
    counters[`${name}.locked`] = locked.ready + locked.deferred;
    counters[`${name}.deferred`] = at(PLACE.deferred) - locked.deferred;
    counters[`${name}.scheduled`] = at(PLACE.scheduled);
    counters[`${name}.dead`] = at(PLACE.dead) + at(PLACE.deadDeferred);
    for (const [op, n] of Object.entries(queue.ops)) counters[`${name}.ops.${op}`] = n;
  }
  return counters;
}
