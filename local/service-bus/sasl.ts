/** How a client may log in before AMQP begins (specification part 5, "Security"). */

/** One login under way, as rhea asks for it. */
interface Login {
  /** Whether the login succeeded; known once `start` has returned. */
  outcome: boolean;
  username: string | undefined;
  start(response: Buffer | undefined): void;
}

export interface SaslEvents {
  /** The client has shown the name of a key, and the key. */
  readonly onKey: () => void;
  readonly onRefused: (why: string) => void;
}

/**
 * Mechanisms by name, in the order they are offered. `MSSBCBS` is the .NET SDK's own: it says as little as ANONYMOUS,
 * and the tokens follow over `$cbs`. Other AMQP clients use PLAIN: its user is a key's name, its password the key.
 */
export function saslMechanisms({ onKey, onRefused }: SaslEvents): Record<string, () => Login> {
  const anonymous = (): Login => ({ outcome: true, username: undefined, start: () => undefined });
  const plain = (): Login => ({
    outcome: false,
    username: undefined,
    start(response) {
      const credentials = readPlain(response);
      if (credentials === undefined) {
        onRefused("SASL PLAIN must name a key and give it");
        return;
      }
      this.outcome = true;
      this.username = credentials.keyName;
      onKey();
    },
  });
  return { MSSBCBS: anonymous, PLAIN: plain, ANONYMOUS: anonymous };
}

/** A PLAIN response: an identity to act for (not looked at), a key's name, the key; a NUL between (RFC 4616). */
export function readPlain(response: Buffer | undefined): { keyName: string; key: string } | undefined {
  const [, keyName, key, ...more] = response?.toString("utf8").split("\0") ?? [];
  if (keyName === undefined || key === undefined || more.length > 0) return undefined;
  return keyName === "" || key === "" ? undefined : { keyName, key };
}
