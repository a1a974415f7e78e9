import { randomFillSync } from "node:crypto";
import type { Meta, ReadyList } from "./ready-list.ts";

/** One message in a receiver's hands. */
export interface Lock {
  readonly meta: Meta;
  /** 16 bytes, the delivery tag; a .NET Guid's byte order. */
  readonly token: Buffer;
  readonly key: string;
  until: number;
  /** False once it was settled or has run out. */
  live: boolean;
  /** Where the message goes when the lock ends without an outcome. */
  readonly deferred: boolean;
  /** Set in a queue with sessions: the session's lock is the message's. */
  readonly hold: SessionHold | undefined;
}

/** One session in a receiver's hands, and the ready messages it may take. */
export interface SessionHold {
  readonly session: string;
  until: number;
  live: boolean;
  readonly ready: ReadyList;
  readonly locks: Set<Lock>;
  /** Tells the receiver that the lock is lost; absent for the lock of a process that is gone. */
  onLost: (() => void) | undefined;
}

const POOL_BYTES = 16 * 256;
let pool = Buffer.alloc(0);
let used = 0;

/** 16 random bytes; drawn in bulk, as one draw a message is dear. */
export function newToken(): Buffer {
  if (used === pool.length) {
    pool = randomFillSync(Buffer.allocUnsafeSlow(POOL_BYTES));
    used = 0;
  }
  used += 16;
  return pool.subarray(used - 16, used);
}

export function tokenKey(token: Buffer): string {
  return token.toString("latin1", 0, 16);
}

/** Management requests name a lock by its uuid: the tag with its first three groups' bytes turned round. */
export function tagOfUuid(uuid: Buffer): Buffer {
  const tag = Buffer.from(uuid);
  tag.subarray(0, 4).reverse();
  tag.subarray(4, 6).reverse();
  tag.subarray(6, 8).reverse();
  return tag;
}

/** The other way round; the turning is its own inverse. */
export const uuidOfTag = tagOfUuid;
