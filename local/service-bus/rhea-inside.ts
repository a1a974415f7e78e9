import type { Socket } from "node:net";
import type { Connection, Dictionary, Receiver, Sender, Session } from "rhea";

/**
 * What this server uses of rhea beyond its typings. rhea keeps framing, handshakes, sessions, links and heartbeats;
 * deliveries, which cost most, are this server's own (delivery-io.ts).
 */

/** An AMQP value with its type, as rhea reads it. */
export interface TypedValue {
  readonly value: unknown;
  readonly descriptor?: { readonly value: unknown };
}

export interface TransferFrame {
  readonly performative: {
    readonly handle: number;
    readonly delivery_id: number | null | undefined;
    readonly message_format: number | null | undefined;
    readonly settled: boolean | null | undefined;
    readonly more: boolean | null | undefined;
    readonly aborted: boolean | null | undefined;
    /** Every field in turn. */
    readonly value: readonly (TypedValue | undefined)[];
  };
  readonly payload?: Buffer;
}

/** Where a transfer says its delivery state, of which rhea's own accessor drops the kind. */
export const TRANSFER_STATE = 7;

export interface DispositionFields {
  readonly first: number;
  readonly last: number | null | undefined;
  readonly settled: boolean | null | undefined;
  readonly state: TypedValue | null | undefined;
}

export interface SessionFlowFields {
  readonly next_incoming_id: number | null | undefined;
  readonly incoming_window: number;
}

export interface InsideSession {
  readonly connection: InsideConnection & Connection;
  readonly local: { readonly channel: number };
  readonly links: Record<string, Link>;
  on_attach(frame: AttachFrame): void;
  readonly incoming: {
    next_transfer_id: number;
    readonly max_transfer_id: number;
    readonly window: number;
    on_transfer(frame: TransferFrame, receiver: Receiver & InsideReceiver): void;
  };
  readonly outgoing: {
    next_transfer_id: number;
    readonly window: number;
    remote_window: number | undefined;
    remote_next_transfer_id: number | undefined;
    on_flow(fields: SessionFlowFields): void;
    on_disposition(fields: DispositionFields): void;
  };
}

/** A link, of either direction. */
export type Link = Receiver | Sender;

/** An attach as it comes, before its ends are read. */
export interface AttachFrame {
  readonly performative: { target: TypedValue | null | undefined };
}

export interface InsideLink {
  readonly local: { readonly handle: number; readonly attach: Record<string, unknown> };
  readonly remote: {
    readonly attach: {
      readonly snd_settle_mode: number;
      readonly rcv_settle_mode: number;
      readonly source: Terminus | null;
      readonly target: Terminus | null;
      readonly properties: Dictionary<unknown> | null | undefined;
    };
  };
  readonly state: { local_open: boolean; open_requests: number };
  credit: number;
  delivery_count: number;
  issue_flow: boolean;
}

export interface Terminus {
  readonly address: string | null | undefined;
  readonly filter: Dictionary<unknown> | null | undefined;
}

export interface InsideReceiver extends InsideLink {
  flow(credit: number): void;
}

export interface InsideSender extends InsideLink {
  _draining: boolean;
  on_flow(frame: { performative: Record<string, unknown> }): void;
}

export interface InsideConnection {
  readonly socket: Socket;
  readonly remote: { readonly open?: { readonly max_frame_size?: number } };
  readonly options: { id: string };
  frame_size: number | undefined;
  input(bytes: Buffer): void;
  is_closed(): boolean;
  _disconnected(error?: Error): void;
  _register(): void;
  accept(socket: Socket): void;
}

export const insideSession = (session: Session) => session as unknown as InsideSession & Session;
export const insideLink = (link: Link) => link as unknown as InsideLink & Link;
export const insideReceiver = (receiver: Receiver) => receiver as unknown as InsideReceiver & Receiver;
export const insideSender = (sender: Sender) => sender as unknown as InsideSender & Sender;
export const insideConnection = (connection: Connection) =>
  connection as unknown as InsideConnection & Connection;
