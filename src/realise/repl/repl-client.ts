/** An interactive session as the thread of its terminal sees it. */

import { InvariantError } from "../../base/errors.ts";
import { programModule } from "../../system/program-files.ts";
import { Gate, runWorker, type WorkerHandle } from "../../system/worker.ts";
import { answering } from "../evaluate-in-worker.ts";
import { threadSize } from "../thread-size.ts";
import type { EvaluationServices } from "../evaluation-services.ts";
import type { ReplCommand, ReplMessage, ReplOptions, ReplReply, ReplStart } from "./repl-messages.ts";

const WORKER = programModule("src/realise/repl/repl-worker.ts");

export interface ReplListener {
  out(text: string): void;
  error(text: string): void;
  notice(text: string): void;
}

export class ReplClient {
  readonly #interrupt = new SharedArrayBuffer(4);
  readonly #ended = new AbortController();
  readonly #answer: ReturnType<typeof answering>;
  readonly #options: ReplOptions;
  readonly #listener: ReplListener;
  #worker: WorkerHandle | undefined;
  #exit: Promise<void> = Promise.resolve();
  /** Ends what the evaluator waits for. */
  #waiting = new AbortController();
  #onReply: ((reply: ReplReply) => void) | undefined;
  #onFailure: ((error: unknown) => void) | undefined;

  constructor(options: ReplOptions, services: EvaluationServices, listener: ReplListener) {
    this.#options = options;
    this.#answer = answering(services, options.request);
    this.#listener = listener;
  }

  /** Starts the thread, and loads what the session begins with. */
  async start(): Promise<void> {
    const input: ReplStart = { ...this.#options, interrupt: this.#interrupt };
    await new Promise<void>((resolve, reject) => {
      this.#exit = runWorker(WORKER, {
        input,
        ...threadSize(),
        signal: this.#ended.signal,
        onMessage: (message, worker) => {
          if ((message as ReplMessage).kind === "ready") {
            this.#worker = worker;
            resolve();
          } else this.#receive(message as ReplMessage, worker);
        },
      }).catch((error: unknown) => {
        if (this.#ended.signal.aborted) return;
        reject(error as Error);
        this.#onFailure?.(error);
      });
    });
    await this.#ask({ kind: "start" });
  }

  async line(text: string): Promise<ReplReply> {
    return await this.#ask({ kind: "line", text });
  }

  async complete(text: string): Promise<Extract<ReplReply, { readonly kind: "completions" }>> {
    const reply = await this.#ask({ kind: "complete", text });
    if (reply.kind !== "completions") throw new InvariantError("a completion was answered by something else");
    return reply;
  }

  /** Ends what is being evaluated; the session goes on. */
  interrupt(): void {
    Atomics.store(new Int32Array(this.#interrupt), 0, 1);
    this.#waiting.abort(new Error("interrupted by the user"));
  }

  async close(): Promise<void> {
    this.#ended.abort();
    await this.#exit;
  }

  async #ask(command: ReplCommand): Promise<ReplReply> {
    if (this.#onReply !== undefined) throw new InvariantError("a session was asked while it was answering");
    this.#waiting = new AbortController();
    try {
      return await new Promise<ReplReply>((resolve, reject) => {
        this.#onReply = resolve;
        this.#onFailure = reject;
        this.#worker!.send(command);
      });
    } finally {
      this.#onReply = undefined;
      this.#onFailure = undefined;
    }
  }

  #receive(message: ReplMessage, worker: WorkerHandle): void {
    switch (message.kind) {
      case "out":
        return this.#listener.out(message.text);
      case "error":
        return this.#listener.error(message.text);
      case "notice":
        return this.#listener.notice(message.text);
      case "question":
        void this.#answer(message.question, this.#waiting.signal).then((reply) => {
          worker.send(reply);
          new Gate(message.gate).open();
        });
        return;
      case "reply":
        return this.#onReply?.(message.reply);
      case "ready":
        return;
    }
  }
}
