export type Env = Readonly<Record<string, string | undefined>>;

/** A trigger names a connection or a setting that is not there. */
export class SettingMissing extends Error {
  override readonly name = "SettingMissing";
}

/** `%NAME%` in a trigger's option stands for the app setting NAME, as in the cloud. */
export function resolveSettings(text: string, env: Env): string {
  return text.replace(/%([^%]+)%/g, (_, name: string) => {
    const value = env[name];
    if (value === undefined) throw new SettingMissing(`The app setting ${name} is missing.`);
    return value;
  });
}

/** A connection by its name: a connection string, or an address to be reached with an identity. */
export type Connection =
  | { readonly kind: "connection_string"; readonly text: string }
  | { readonly kind: "identity"; readonly address: string };

/** Looks a trigger's `connection` up as the Functions host does; `addressKey` is `fullyQualifiedNamespace` or `accountEndpoint`. */
export function connectionOf(name: string, addressKey: string, env: Env): Connection {
  const text = env[name] ?? env[`AzureWebJobs${name}`];
  if (text !== undefined && text !== "") return { kind: "connection_string", text };
  const address = env[`${name}__${addressKey}`];
  if (address !== undefined && address !== "") return { kind: "identity", address };
  throw new SettingMissing(`Neither the app setting ${name} nor ${name}__${addressKey} is there.`);
}
