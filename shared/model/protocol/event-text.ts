/** The text of server-sent events as it comes: the data of each event that is whole. */
export class EventText {
  /** The beginning of a line whose end has not come. */
  #line = "";
  #data: string[] = [];

  /** @returns the data of the events that have ended; comments and the other fields are passed over */
  take(text: string): string[] {
    const lines = (this.#line + text).split(/\r\n|\n|\r(?!$)/);
    this.#line = lines.pop() ?? "";
    return lines.flatMap((line) => this.#takeLine(line));
  }

  #takeLine(line: string): string[] {
    if (line.startsWith("data:")) this.#data.push(line.slice(5).replace(/^ /, ""));
    if (line !== "" || this.#data.length === 0) return [];
    const data = this.#data.join("\n");
    this.#data = [];
    return [data];
  }
}
