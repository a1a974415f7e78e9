import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { OpenAI } from "openai";
import { Webhook } from "standardwebhooks";
import { EVENT_TYPES } from "../../shared/event-type.ts";

/** An event as it came in. */
export interface ReceivedEvent {
  readonly tenant: string;
  readonly id: string;
  readonly type: string;
  readonly about: string;
  /** Whether its signature is that of the tenant's own secret. */
  readonly isSigned: boolean;
}

/** A delivery or an event that nobody has sent on yet, as it is stored. */
export interface StoredDelivery {
  readonly kind: "delivery" | "outbox";
  readonly job_id: string;
  readonly event: string;
  readonly status: string | undefined;
}

export interface StoredBatchState {
  readonly tenant_id: string;
  readonly batch_id: string;
  readonly status: string;
}

export interface Events {
  readonly received: readonly ReceivedEvent[];
  readonly stored: readonly StoredDelivery[];
  readonly batches: readonly StoredBatchState[];
}

/** Those with an endpoint. */
export const TENANTS: readonly string[] = ["team-a", "team-b"];
/** Every so many-th event is refused once: it comes again. */
const REFUSED = 10;

/** Tenants' endpoints: they keep what comes, and refuse some of it at first. */
export class EventReceiver {
  readonly received: ReceivedEvent[] = [];
  readonly #secrets = new Map<string, string>();
  readonly #refused = new Set<string>();
  readonly #server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      response.writeHead(this.#take(request.url?.slice(1) ?? "", body, request.headers as never)).end();
    });
  });

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Registers an endpoint of each tenant that hears of everything. */
  async register(url: string): Promise<void> {
    const { port } = this.#server.address() as AddressInfo;
    for (const tenant of TENANTS) {
      const client = new OpenAI({ baseURL: `${url}/openai/v1`, apiKey: `local-${tenant}` });
      const { signing_secret } = await client.webhooks.create({
        ...{ name: "faults", url: `http://127.0.0.1:${port}/${tenant}` },
        event_types: [...EVENT_TYPES] as never,
      });
      this.#secrets.set(tenant, signing_secret);
    }
  }

  /** @returns the status to answer */
  #take(tenant: string, body: string, headers: Record<string, string>): number {
    const event = JSON.parse(body) as { id: string; type: string; data: { id: string } };
    let isSigned = true;
    try {
      new Webhook(this.#secrets.get(tenant) ?? "").verify(body, headers);
    } catch {
      isSigned = false;
    }
    const { id, type, data } = event;
    this.received.push({
      tenant,
      id,
      type,
      about: data.id,
      isSigned: isSigned && headers["webhook-id"] === id,
    });
    if (this.#refused.has(id) || Number.parseInt(id.slice(-4), 16) % REFUSED !== 0) return 204;
    this.#refused.add(id);
    return 503;
  }
}
