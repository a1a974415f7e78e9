import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  timingSafeEqual,
} from "node:crypto";
import { z } from "zod";
import { type ControlOutcome, type ControlTrailStore, changeControl } from "../audit/control-trail.ts";
import type { Clock } from "../clock.ts";
import { type Log, reasonOf } from "../log.ts";
import { document, type Stored, StoreUnavailable } from "../store.ts";

export const SECRETS_SCOPE = "secrets";
export const ROOT_ID = "root";

const hex = z.string().regex(/^[0-9a-f]{64}$/);
const key = z.looseObject({ kid: z.string(), root: hex });
/** 32 random bytes that all instances share; every key that is needed is derived of them. */
export const rootDocument = document("root", {
  ...{ scope: z.string(), ...key.shape, made_ms: z.number() },
  /** The root before: what was made with it still holds. */
  predecessor: key.nullable(),
});
export type Root = Readonly<Pick<z.infer<typeof rootDocument>, "kid" | "root" | "predecessor" | "made_ms">>;
type Key = Pick<Root, "kid" | "root">;

/** What a key is for. Each purpose has a key of its own, which says nothing of the others'. */
export type Purpose = "grants" | "joining" | "job-names" | "webhooks";

/** Bytes would be made such an object at each use, which takes seven times as long as what is signed with them. */
const derived = new Map<string, KeyObject>();
/** Four roots' worth of purposes: those of now, and of just before. */
const MOST_DERIVED = 16;

function keyFor({ root }: Key, purpose: Purpose): KeyObject {
  const name = `${purpose} ${root}`;
  let found = derived.get(name);
  if (found === undefined) {
    const bytes = hkdfSync("sha256", Buffer.from(root, "hex"), "", `switchyard/${purpose}`, 32);
    found = createSecretKey(Buffer.from(bytes));
    for (const oldest of derived.size < MOST_DERIVED ? [] : derived.keys().take(1)) derived.delete(oldest);
    derived.set(name, found);
  }
  return found;
}

function macOf(of: Key, purpose: Purpose, parts: readonly string[]): Buffer {
  return createHmac("sha256", keyFor(of, purpose)).update(JSON.stringify(parts)).digest();
}

/** How a job is named to a lab: nobody without the root can tell which job it is, or that two labs had the same. */
export function jobNameOf(root: Key, provider: string, jobId: string): string {
  return macOf(root, "job-names", [provider, jobId]).toString("hex").slice(0, 32);
}

/** What is proved by who knows the root. */
export interface Mac {
  readonly kid: string;
  readonly mac: string;
}

/** A text that only who knows the root can read: AES-256-GCM, base64. */
export interface Sealed {
  readonly kid: string;
  readonly nonce: string;
  /** The text, and after it the tag. */
  readonly sealed: string;
}

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

function sealedWith(key: Key, purpose: Purpose, nonce: Buffer, text: string, of: string): Sealed {
  const cipher = createCipheriv(CIPHER, keyFor(key, purpose), nonce).setAAD(Buffer.from(of));
  const bytes = [cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()];
  const sealed = Buffer.concat(bytes).toString("base64");
  return { kid: key.kid, nonce: nonce.toString("base64"), sealed };
}

function openedWith(key: Key, purpose: Purpose, { nonce, sealed }: Sealed, of: string): string | undefined {
  const bytes = Buffer.from(sealed, "base64");
  const at = bytes.length - TAG_BYTES;
  try {
    const decipher = createDecipheriv(CIPHER, keyFor(key, purpose), Buffer.from(nonce, "base64"));
    decipher.setAAD(Buffer.from(of)).setAuthTag(bytes.subarray(at));
    return decipher.update(bytes.subarray(0, at)).toString() + decipher.final().toString();
  } catch {
    return undefined; // changed, of another root, or of something else
  }
}

export interface SecretsDeps {
  readonly trail: ControlTrailStore;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly log: Log;
  readonly randomHex: (bytes: number) => string;
  /** Who makes the first root, where there is none. */
  readonly actor: string;
}

/** A root that was rotated elsewhere is signed with for so long. */
const SIGNED_WITH_MS = 60_000;
/** How soon an unknown kid has it looked for again. */
const LOOK_EVERY_MS = 2_000;

/** The root and its keys, as this instance knows them. It is read when first needed, and made where there is none. */
export class Secrets {
  readonly #deps: SecretsDeps;
  #root: Root | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<Root> | undefined;

  constructor(deps: SecretsDeps) {
    this.#deps = deps;
  }

  /** Resolves once it was read. @throws StoreUnavailable */
  async ready(): Promise<void> {
    await this.#within(Number.POSITIVE_INFINITY);
  }

  /** @throws StoreUnavailable while it was never read */
  async jobName(provider: string, jobId: string): Promise<string> {
    return jobNameOf(await this.#within(SIGNED_WITH_MS), provider, jobId);
  }

  async sign(purpose: Purpose, parts: readonly string[]): Promise<Mac> {
    const root = await this.#within(SIGNED_WITH_MS);
    return { kid: root.kid, mac: macOf(root, purpose, parts).toString("hex") };
  }

  /** The same by the root of now and, last, by the one before. @param fresh it may have been rotated elsewhere just now */
  async macs(purpose: Purpose, parts: readonly string[], fresh: boolean): Promise<readonly string[]> {
    const root = await this.#within(fresh ? LOOK_EVERY_MS : SIGNED_WITH_MS);
    const keys = [root, ...(root.predecessor === null ? [] : [root.predecessor])];
    return keys.map((each) => macOf(each, purpose, parts).toString("hex"));
  }

  /** Whether it was signed with the root of now or the one before. @throws StoreUnavailable while it was never read */
  async isSigned(purpose: Purpose, parts: readonly string[], { kid, mac }: Mac): Promise<boolean> {
    const known = ofKid(await this.#within(Number.POSITIVE_INFINITY), kid);
    const key = known ?? ofKid(await this.#within(LOOK_EVERY_MS), kid);
    const given = Buffer.from(mac, "hex");
    const own = key && macOf(key, purpose, parts);
    return own !== undefined && given.length === own.length && timingSafeEqual(own, given);
  }

  /** @param of what the text belongs to: as part of anything else it cannot be read. @throws StoreUnavailable */
  async seal(purpose: Purpose, text: string, of: string): Promise<Sealed> {
    const nonce = Buffer.from(this.#deps.randomHex(NONCE_BYTES), "hex");
    return sealedWith(await this.#within(SIGNED_WITH_MS), purpose, nonce, text, of);
  }

  /**
   * The text; undefined: nobody can read it any more. `isOld`: the next rotation of the root makes it unreadable.
   * @throws StoreUnavailable while the root was never read
   */
  async open(
    purpose: Purpose,
    sealed: Sealed,
    of: string,
  ): Promise<{ readonly text: string; readonly isOld: boolean } | undefined> {
    const known = ofKid(await this.#within(Number.POSITIVE_INFINITY), sealed.kid);
    const root = known === undefined ? await this.#within(LOOK_EVERY_MS) : this.#root;
    const key = root && ofKid(root, sealed.kid);
    const text = key && openedWith(key, purpose, sealed, of);
    return text === undefined ? undefined : { text, isOld: root?.kid !== sealed.kid };
  }

  /** The root, read no longer than this ago; where the store is away, as it is known. */
  async #within(ms: number): Promise<Root> {
    const { clock, log } = this.#deps;
    if (this.#root !== undefined && clock.monotonic() - this.#readAt < ms) return this.#root;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    try {
      return await this.#reading;
    } catch (thrown) {
      if (!(thrown instanceof StoreUnavailable) || this.#root === undefined) throw thrown;
      log.warn("secrets_not_read", { reason: reasonOf(thrown) });
      return this.#root;
    }
  }

  async #read(): Promise<Root> {
    const at = this.#deps.clock.monotonic();
    const { actor, clock, randomHex } = this.#deps;
    let root = await this.#stored();
    if (root === undefined) {
      await changeRoot(this.#deps, { changeId: `root ${randomHex(8)}`, actor, reason: null }, (before) =>
        before === undefined ? newRoot(randomHex, clock.now(), null) : undefined,
      );
      root = await this.#stored();
    }
    if (root === undefined) throw new StoreUnavailable("the root of secrets was made, and cannot be read");
    this.#root = root;
    this.#readAt = at;
    return root;
  }

  async #stored(): Promise<Root | undefined> {
    const { trail, log } = this.#deps;
    const item = (await trail.view(SECRETS_SCOPE, ROOT_ID, [ROOT_ID])).items.get(ROOT_ID);
    const root = rootOf(item);
    if (item !== undefined && root === undefined)
      log.error("item_unreadable", {
        kind: "root",
        id: `${SECRETS_SCOPE}/${ROOT_ID}`,
        fault: "is made anew",
      });
    return root;
  }
}

const ofKid = (root: Root, kid: string): Key | undefined =>
  root.kid === kid ? root : root.predecessor?.kid === kid ? root.predecessor : undefined;

/** One that cannot be read is begun again: what was made with it holds no more, and no job waits for it. */
function rootOf(item: Stored<unknown> | undefined): Root | undefined {
  const found = rootDocument.safeParse(item?.value);
  return found.success ? found.data : undefined;
}

function newRoot(randomHex: (bytes: number) => string, nowMs: number, before: Root | null): Root {
  const predecessor = before && { kid: before.kid, root: before.root };
  return { kid: randomHex(8), root: randomHex(32), made_ms: nowMs, predecessor };
}

type Change = { readonly changeId: string; readonly actor: string; readonly reason: string | null };

/** The change's record names the root by its kid alone. */
function changeRoot(
  deps: { readonly trail: ControlTrailStore; readonly clock: { now(): number } },
  { changeId, actor, reason }: Change,
  next: (before: Root | undefined) => Root | undefined,
): Promise<ControlOutcome> {
  return changeControl(deps, {
    ...{ scope: SECRETS_SCOPE, changeId, actor, reads: [ROOT_ID] },
    decide: (items) => {
      const stored = items.get(ROOT_ID);
      const before = rootOf(stored);
      const root = next(before);
      if (root === undefined) return undefined;
      // Fields of a later version survive; of one that cannot be read nothing does.
      const item = { ...(before && stored?.value), id: ROOT_ID, kind: "root", ...root };
      return {
        event: before === undefined ? "secret_made" : "secret_rotated",
        reason,
        details: { kid: root.kid, predecessor: root.predecessor?.kid ?? null },
        writes: [
          stored === undefined ? { kind: "create", item } : { kind: "replace", item, etag: stored.etag },
        ],
      };
    },
  });
}

/** A new root; what the one before made holds until the next. @throws StoreUnavailable */
export function rotateRoot(
  deps: Pick<SecretsDeps, "trail" | "randomHex"> & { readonly clock: { now(): number } },
  by: Change,
): Promise<ControlOutcome> {
  return changeRoot(deps, by, (before) => newRoot(deps.randomHex, deps.clock.now(), before ?? null));
}
