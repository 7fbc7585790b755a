/** What a builder says: lines as they come, and the last of them for the error message. */

const TAIL_LINES = 25;
/** A line that is longer is cut into pieces. */
const LINE_BYTES_MAX = 64 * 1024;

export class LogTail {
  readonly #onLine: (line: string) => void;
  readonly #lines: string[] = [];
  #rest: Buffer = Buffer.alloc(0);

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  /** The last lines, oldest first. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  write(chunk: Uint8Array): void {
    const bytes = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      this.#emit(bytes.subarray(start, end));
      start = end + 1;
    }
    for (; bytes.length - start > LINE_BYTES_MAX; start += LINE_BYTES_MAX) {
      this.#emit(bytes.subarray(start, start + LINE_BYTES_MAX));
    }
    this.#rest = bytes.subarray(start);
  }

  end(): void {
    if (this.#rest.length > 0) this.#emit(this.#rest);
    this.#rest = Buffer.alloc(0);
  }

  #emit(bytes: Buffer): void {
    // A program that redraws its line wrote it several times: the last one counts.
    const line = bytes.toString("utf8").replace(/\r$/, "").replace(/^.*\r/, "");
    // Messages of Nix's own log protocol are for programs.
    if (line.startsWith("@nix {")) return;
    this.#lines.push(line);
    if (this.#lines.length > TAIL_LINES) this.#lines.shift();
    this.#onLine(line);
  }
}
