import type { IncomingHttpHeaders } from "node:http";
import type { HttpHeaders } from "@azure/core-rest-pipeline";

/**
 * An answer's headers for the SDK. Its own class normalises each name and value, and copies all of them one by one
 * when asked for an object; undici's names are in lower case already, and a store's answer has some twenty of them.
 */
export class AnswerHeaders implements HttpHeaders {
  readonly #values: Record<string, string>;

  /** @param headers names in lower case, as undici gives them; of a list one value is made, as HTTP has it */
  constructor(headers: IncomingHttpHeaders) {
    const values: IncomingHttpHeaders = { ...headers };
    for (const name in values) {
      const value = values[name];
      if (Array.isArray(value)) values[name] = value.join(", ");
    }
    this.#values = values as Record<string, string>;
  }

  get(name: string): string | undefined {
    const key = name.toLowerCase();
    return Object.hasOwn(this.#values, key) ? this.#values[key] : undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  set(name: string, value: string | number | boolean): void {
    this.#values[name.toLowerCase()] = String(value);
  }

  delete(name: string): void {
    delete this.#values[name.toLowerCase()];
  }

  toJSON(): Record<string, string> {
    return { ...this.#values };
  }

  [Symbol.iterator](): Iterator<[string, string]> {
    return Object.entries(this.#values)[Symbol.iterator]();
  }
}
