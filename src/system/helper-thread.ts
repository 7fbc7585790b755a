/**
 * A thread that works while this one is busy, too: it gives one answer, which is waited for without an event loop.
 *
 * Node's module for threads is loaded with the first of them: most evaluations need none.
 */

import type { MessagePort, Worker } from "node:worker_threads";
import type { WorkerOptions } from "./worker.ts";

const PENDING = 0;
const ANSWERED = 1;

/** What the thread finds as its input, beside what it was given. */
interface HelperInput {
  readonly given: unknown;
  readonly port: MessagePort;
  readonly state: SharedArrayBuffer;
}

export class HelperThread {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #state = new Int32Array(new SharedArrayBuffer(4));

  constructor(module: string, options: Omit<WorkerOptions, "signal" | "onMessage">) {
    const { MessageChannel, Worker } = threads();
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const input: HelperInput = { given: options.input, port: port2, state: this.#state.buffer };
    this.#worker = new Worker(module, {
      workerData: input,
      transferList: [port2],
      resourceLimits: {
        stackSizeMb: options.stackMb,
        maxOldGenerationSizeMb: options.heapMb,
        maxYoungGenerationSizeMb: options.youngHeapMb,
      },
    });
    // Whatever becomes of it shows in the answer.
    this.#worker.on("error", () => undefined);
    this.#worker.unref();
    this.#port.unref();
  }

  /** Blocks this thread until there is an answer, but no longer than that; `undefined` when there is none. */
  answer(timeoutMs: number): unknown {
    if (Atomics.wait(this.#state, 0, PENDING, timeoutMs) === "timed-out") return undefined;
    return (threads().receiveMessageOnPort(this.#port) as { readonly message: unknown } | undefined)?.message;
  }

  /** Ends the thread, wherever it is. */
  end(): void {
    this.#port.close();
    void this.#worker.terminate();
  }
}

/** In such a thread: what it was given, and how it answers. The starter hears of a failure as no answer. */
export function helpStarter(work: (given: unknown) => unknown): void {
  const { given, port, state } = threads().workerData as HelperInput;
  const cell = new Int32Array(state);
  try {
    port.postMessage(work(given));
  } finally {
    Atomics.store(cell, 0, ANSWERED);
    Atomics.notify(cell, 0);
    port.close();
  }
}

/** How many threads this process may run at a time. */
export function processorCount(): number {
  return process.getBuiltinModule("node:os").availableParallelism();
}

function threads(): typeof import("node:worker_threads") {
  return process.getBuiltinModule("node:worker_threads");
}
