/**
 * One connection to a Nix daemon: requests are written at once and answered in order, so that many questions cost one
 * round trip.
 *
 * A connection whose stream can no longer be followed (a broken frame, an aborted transfer) is closed and says so from
 * then on; an error of the daemon's leaves it usable.
 */

import type { Writable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { FormatError, OperationError } from "../base/errors.ts";
import { NarDecoder, NULL_SINK } from "../format/nar-decoder.ts";
import { EndOfStreamError, WireSource } from "../protocol/wire-source.ts";
import { type Wire, WireWriter } from "../protocol/wire.ts";
import {
  clientGreeting,
  clientHello,
  readServerGreeting,
  readServerHello,
  type Trust,
} from "../protocol/worker/handshake.ts";
import { FRAME_ERROR, type LogEvent, readFrame } from "../protocol/worker/log-frames.ts";
import type { Agreement } from "../protocol/worker/operations.ts";

/** A stream of bytes in both directions, and how to say why it ended. */
export interface ByteDuplex {
  readonly readable: AsyncIterable<Uint8Array>;
  readonly writable: Writable;
  /** Ends it; what is under way fails. */
  close(): void;
  /** Why it ended, once it has: what a program said last, its exit code. */
  explain(): Promise<string>;
}

export interface CallOptions {
  readonly signal: AbortSignal;
  readonly onLog?: ((event: LogEvent) => void) | undefined;
  /** How long the answer may take; work such as a build has no bound. Nothing can be asked after an answer that is late. */
  readonly deadlineMs?: number;
  /** Whether aborting ends the connection, so that the daemon stops working; otherwise only its answer is dropped. */
  readonly closeOnAbort?: boolean;
}

/** Sends the payload of an operation in pieces. */
export interface FrameSink {
  /** Resolves when more may be sent; rejects when the daemon has refused. */
  write(chunk: Uint8Array): Promise<void>;
}

const HANDSHAKE_TIMEOUT_MS = 30_000;
const FRAME_BYTES = 128 * 1024;

export class DaemonConnection {
  readonly agreement: Agreement;
  readonly nixVersion: string | undefined;
  readonly trust: Trust;
  readonly #uri: string;
  readonly #duplex: ByteDuplex;
  readonly #source: WireSource;
  /** Settles when the answer to the last request has been read. */
  #lastReply: Promise<unknown> = Promise.resolve();
  #pending = 0;
  /** Settles when the payload that is being sent is complete; nothing may be written in between. */
  #sending: Promise<void> | undefined;
  /** Writers that wait for the other side to take what was written. */
  readonly #writers = new Set<() => void>();
  /** Errors by which the daemon refused a request: after these the stream is in order. */
  readonly #refusals = new WeakSet<Error>();
  #broken: Error | undefined;

  private constructor(
    uri: string,
    duplex: ByteDuplex,
    source: WireSource,
    peer: { readonly agreement: Agreement; readonly nixVersion: string | undefined; readonly trust: Trust },
  ) {
    this.#uri = uri;
    this.#duplex = duplex;
    this.#source = source;
    this.agreement = peer.agreement;
    this.nixVersion = peer.nixVersion;
    this.trust = peer.trust;
  }

  /** Greets the daemon. */
  static async open(
    uri: string,
    duplex: ByteDuplex,
    options: { readonly signal: AbortSignal; readonly timeoutMs?: number; readonly minorOffered?: number },
  ): Promise<DaemonConnection> {
    const source = new WireSource(duplex.readable);
    const timeoutMs = options.timeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    const deadline = AbortSignal.timeout(timeoutMs);
    const stop = AbortSignal.any([options.signal, deadline]);
    const onStop = (): void => duplex.close();
    stop.addEventListener("abort", onStop, { once: true });
    let isOpen = false;
    try {
      stop.throwIfAborted();
      duplex.writable.write(clientHello(options.minorOffered));
      const { minor } = await source.read(readServerHello(options.minorOffered));
      duplex.writable.write(clientGreeting(minor, []));
      const peer = await source.read(readServerGreeting(minor, []));
      const connection = new DaemonConnection(uri, duplex, source, peer);
      await connection.#readFrames(undefined);
      isOpen = true;
      return connection;
    } catch (error) {
      options.signal.throwIfAborted();
      if (deadline.aborted) throw unreachable(uri, `no answer within ${timeoutMs / 1000} seconds`, error);
      if (error instanceof OperationError) throw error;
      const explanation = error instanceof EndOfStreamError ? await duplex.explain() : "";
      if (error instanceof EndOfStreamError) throw unreachable(uri, explanation, error);
      if (error instanceof FormatError) throw mismatch(uri, source, error);
      throw unreachable(uri, error instanceof Error ? error.message : String(error), error);
    } finally {
      stop.removeEventListener("abort", onStop);
      // Whoever answered may wait for more: a program that is left would keep this process from ending.
      if (!isOpen || stop.aborted) duplex.close();
    }
  }

  get isOpen(): boolean {
    return this.#broken === undefined;
  }

  /** Whether nothing is under way. */
  get isIdle(): boolean {
    return this.#pending === 0 && this.isOpen;
  }

  /** Sends a request now and resolves with its answer. */
  call<T>(operation: number, body: (writer: WireWriter) => void, result: Wire<T>, options: CallOptions): Promise<T> {
    return this.#request(operation, body, options, async () => {
      await this.#readFrames(options.onLog);
      return await this.#source.read(result);
    });
  }

  /** Sends a request whose payload follows in frames; `send` runs while the daemon already answers. */
  async callFramed<T>(
    operation: number,
    body: (writer: WireWriter) => void,
    result: Wire<T>,
    options: CallOptions & { readonly send: (sink: FrameSink) => Promise<void> },
  ): Promise<T> {
    while (this.#sending !== undefined) await this.#sending;
    let refused: Error | undefined;
    const reply = this.call(operation, body, result, { ...options, closeOnAbort: true });
    // Refused or aborted: the source of the payload may be waiting for something that does not come any more.
    const failure = Promise.withResolvers<never>();
    failure.promise.catch(() => undefined);
    reply.catch((error: unknown) => {
      refused = error as Error;
      this.#wakeWriters();
      failure.reject(refused);
    });
    const frames = new FrameBuffer(async (bytes) => {
      if (refused !== undefined) throw refused;
      await this.#write(bytes, options.signal);
    });
    const sent = Promise.withResolvers<void>();
    this.#sending = sent.promise;
    try {
      await Promise.race([options.send(frames), failure.promise]);
      await frames.end();
    } catch (error) {
      // The daemon waits for the rest of the payload, which does not come.
      this.#fail(error instanceof Error ? error : new Error(String(error)));
      throw refused ?? error;
    } finally {
      this.#sending = undefined;
      sent.resolve();
    }
    return await reply;
  }

  /** Sends a payload as the daemon asks for it, piece by piece (before protocol 1.23). */
  callTunnelled<T>(
    operation: number,
    body: (writer: WireWriter) => void,
    result: Wire<T>,
    options: CallOptions & { readonly payload: AsyncIterable<Uint8Array> },
  ): Promise<T> {
    const chunks = options.payload[Symbol.asyncIterator]();
    let rest: Uint8Array = new Uint8Array(0);
    const onWant = async (size: number): Promise<void> => {
      while (rest.length === 0) {
        const next = await chunks.next();
        if (next.done === true) throw new FormatError("nar", "ends too early");
        rest = next.value;
      }
      const piece = rest.subarray(0, size);
      rest = rest.subarray(piece.length);
      await this.#write(new WireWriter().bytes(piece).take(), options.signal);
    };
    return this.#request(operation, body, { ...options, closeOnAbort: true }, async () => {
      await this.#readFrames(options.onLog, onWant);
      return await this.#source.read(result);
    });
  }

  /** Sends a request that is answered with a NAR. */
  async *callForNar(
    operation: number,
    body: (writer: WireWriter) => void,
    options: CallOptions,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const decoder = new NarDecoder(NULL_SINK);
    const started = Promise.withResolvers<void>();
    const finished = Promise.withResolvers<void>();
    // The answer's turn lasts until the NAR has been read.
    const turn = this.#request(operation, body, { ...options, closeOnAbort: true }, async () => {
      await this.#readFrames(options.onLog);
      // Where the NAR should begin there may be an error, when the path is not there.
      const head = await this.#source.peek(8);
      if (head.readUInt32LE(0) === FRAME_ERROR && head.readUInt32LE(4) === 0) await this.#readFrames(undefined);
      started.resolve();
      await finished.promise;
    });
    turn.catch((error: unknown) => started.reject(error as Error));
    try {
      await started.promise;
      while (!decoder.isDone) {
        const chunk = await this.#abortable(this.#source.chunk(), { ...options, closeOnAbort: true });
        const taken = decoder.write(chunk);
        this.#source.unread(chunk.length - taken);
        yield chunk.subarray(0, taken);
      }
      finished.resolve();
      await turn;
    } catch (error) {
      options.signal.throwIfAborted();
      if (error instanceof EndOfStreamError) await this.#lost(error);
      throw error instanceof EndOfStreamError ? (this.#broken ?? error) : error;
    } finally {
      if (!decoder.isDone) {
        this.#fail(new OperationError("DAEMON_CONNECTION_LOST", `a transfer from ${this.#uri} was given up`));
      }
      finished.resolve();
    }
  }

  close(): void {
    this.#fail(new OperationError("DAEMON_CONNECTION_LOST", `the connection to ${this.#uri} is closed`));
  }

  /** Writes a request when nothing is being sent, and reads its answer in its turn. */
  async #request<T>(
    operation: number,
    body: (writer: WireWriter) => void,
    options: CallOptions,
    read: () => Promise<T>,
  ): Promise<T> {
    while (this.#sending !== undefined) await this.#sending;
    if (this.#broken !== undefined) throw this.#broken;
    options.signal.throwIfAborted();
    const writer = new WireWriter().uint(operation);
    body(writer);
    this.#duplex.writable.write(writer.take());
    return await this.#inTurn(read, options);
  }

  /** Reads when all earlier answers have been read. */
  #inTurn<T>(read: () => Promise<T>, options: CallOptions): Promise<T> {
    this.#pending++;
    const previous = this.#lastReply;
    const reply = (async () => {
      await previous;
      if (this.#broken !== undefined) throw this.#broken;
      return await read();
    })();
    const settled = reply.then(
      () => undefined,
      async (error: unknown) => {
        // What the daemon refused leaves the stream in order; anything else does not.
        if (!(error instanceof Error && this.#refusals.has(error))) await this.#lost(error);
      },
    );
    this.#lastReply = settled.finally(() => this.#pending--);
    return this.#abortable(
      reply.catch(async (error: unknown) => {
        await settled;
        throw error instanceof FormatError ? (this.#broken ?? error) : error;
      }),
      options,
    );
  }

  #abortable<T>(reply: Promise<T>, options: CallOptions): Promise<T> {
    const { signal, deadlineMs } = options;
    return new Promise((resolve, reject) => {
      const onLate = (): void => {
        const message = `${this.#uri} did not answer within ${(deadlineMs ?? 0) / 1000} seconds`;
        this.#fail(new OperationError("DAEMON_CONNECTION_LOST", message, { retryable: true }));
        reject(this.#broken!);
      };
      const timer = deadlineMs === undefined ? undefined : setTimeout(onLate, deadlineMs);
      const onAbort = (): void => {
        if (options.closeOnAbort === true) this.#fail(signal.reason as Error);
        reject(signal.reason as Error);
      };
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
      reply.then(resolve, reject).finally(() => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
      });
    });
  }

  /** Reads until the daemon's work is done; throws what it refused. */
  async #readFrames(
    onLog: ((event: LogEvent) => void) | undefined,
    onWant?: (size: number) => Promise<void>,
  ): Promise<void> {
    for (;;) {
      const frame = await this.#source.read(readFrame(this.agreement.minor));
      switch (frame.kind) {
        case "last":
          return;
        case "error": {
          const error = refusal(this.#uri, frame.message, frame.traces);
          this.#refusals.add(error);
          throw error;
        }
        case "want":
          if (onWant === undefined) throw new FormatError("worker protocol", "the daemon asks for data out of turn");
          await onWant(frame.size);
          break;
        case "give":
          throw new FormatError("worker protocol", "the daemon gives data out of turn");
        case "message":
        case "start":
        case "stop":
        case "result":
          onLog?.(frame);
      }
    }
  }

  async #write(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#broken !== undefined) throw this.#broken;
    const { writable } = this.#duplex;
    if (writable.write(bytes)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => {
      this.#writers.delete(wake);
      writable.removeListener("drain", wake);
      signal.removeEventListener("abort", wake);
      resolve();
    };
    this.#writers.add(wake);
    writable.once("drain", wake);
    signal.addEventListener("abort", wake, { once: true });
    await promise;
    signal.throwIfAborted();
  }

  #wakeWriters(): void {
    for (const wake of this.#writers) wake();
  }

  async #lost(error: unknown): Promise<void> {
    if (this.#broken !== undefined) return;
    if (error instanceof EndOfStreamError) {
      const explanation = await this.#duplex.explain();
      this.#fail(
        new OperationError(
          "DAEMON_CONNECTION_LOST",
          `the connection to ${this.#uri} was lost${explanation && `: ${explanation}`}`,
          {
            hint: "check that the host is up and run the same command again",
            retryable: true,
            cause: error,
          },
        ),
      );
    } else if (error instanceof FormatError) {
      this.#fail(new OperationError("DAEMON_PROTOCOL", `${this.#uri}: ${error.message}`, { cause: error }));
    } else {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #fail(error: Error): void {
    this.#broken ??= error;
    this.#wakeWriters();
    this.#duplex.close();
  }
}

/** Gathers small pieces to frames: a length, the bytes, and a length of zero at the end. */
class FrameBuffer implements FrameSink {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  #parts: Uint8Array[] = [];
  #size = 0;

  constructor(write: (bytes: Uint8Array) => Promise<void>) {
    this.#write = write;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (chunk.length === 0) return;
    this.#parts.push(chunk);
    this.#size += chunk.length;
    if (this.#size >= FRAME_BYTES) await this.#flush();
  }

  async end(): Promise<void> {
    await this.#flush();
    await this.#write(Buffer.alloc(8));
  }

  async #flush(): Promise<void> {
    if (this.#size === 0) return;
    const frame = Buffer.concat([new WireWriter().uint(this.#size).take(), ...this.#parts]);
    this.#parts = [];
    this.#size = 0;
    await this.#write(frame);
  }
}

/** The result of operations that have none. */
export function* nothing(): Wire<void> {
  // Nothing is read.
}

function refusal(uri: string, message: string, traces: readonly string[]): OperationError {
  const plain = stripVTControlCharacters(message).replace(/^\s*error:\s*/, "");
  const text = [plain, ...traces.map((trace) => `… ${trace}`)].join("\n  ");
  const unsigned = /lacks a (?:valid )?signature|is not signed/.test(message);
  return new OperationError("DAEMON_REFUSED", `${uri}: ${text}`, {
    hint: unsigned
      ? "connect as a trusted user (root is one), or sign the paths with a key the host trusts"
      : undefined,
    // A daemon that is ended, by a reboot for instance, says it like this; the protocol has no other word for it.
    retryable: /interrupted by the user/.test(message),
  });
}

function unreachable(uri: string, reason: string, cause: unknown): OperationError {
  return new OperationError(
    "DAEMON_UNREACHABLE",
    `no Nix daemon answers at ${uri}${reason === "" ? "" : `: ${reason}`}`,
    {
      hint: "check that the host is up, that you can log in, and that nix-daemon is installed there",
      retryable: true,
      cause,
    },
  );
}

/** Something else answered, such as a login message: show what it said. */
function mismatch(uri: string, source: WireSource, error: FormatError): OperationError {
  const said = source
    .preview(200)
    .replace(/[^\x20-\x7e]+/g, " ")
    .trim();
  return new OperationError("DAEMON_PROTOCOL", `${uri}: ${error.reason}${said === "" ? "" : `; it said '${said}'`}`, {
    hint: "a shell start-up file on the host may print something on login",
    cause: error,
  });
}
