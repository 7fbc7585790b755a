/** Threads with a stack of a chosen size, and blocking until another thread answers. */

import { isMainThread, parentPort, receiveMessageOnPort, Worker, workerData } from "node:worker_threads";
import { OperationError } from "../base/errors.ts";
import { outOfMemoryText } from "./heap.ts";

/** A running worker, as its messages' receiver sees it. */
export interface WorkerHandle {
  send(message: unknown): void;
}

export interface WorkerOptions {
  /** Copied to the worker, which gets it by `workerInput`. */
  readonly input: unknown;
  readonly stackMb: number;
  readonly heapMb: number;
  /** For new objects: a larger one is collected less often, and takes more memory at the peak. */
  readonly youngHeapMb: number;
  readonly onMessage: (message: unknown, worker: WorkerHandle) => void;
  readonly signal: AbortSignal;
}

/** Runs a module in a thread of its own until it ends. Rejects when it fails or the signal is aborted. */
export function runWorker(module: string, options: WorkerOptions): Promise<void> {
  const { signal } = options;
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const worker = new Worker(module, {
      workerData: options.input,
      resourceLimits: {
        stackSizeMb: options.stackMb,
        maxOldGenerationSizeMb: options.heapMb,
        maxYoungGenerationSizeMb: options.youngHeapMb,
      },
    });
    const onAbort = (): void => void worker.terminate();
    signal.addEventListener("abort", onAbort, { once: true });
    const handle: WorkerHandle = { send: (message) => worker.postMessage(message) };
    worker.on("message", (message: unknown) => options.onMessage(message, handle));
    worker.on("error", (error: Error) => reject(isOutOfMemory(error) ? outOfMemory(error) : error));
    worker.on("exit", (code) => {
      signal.removeEventListener("abort", onAbort);
      if (signal.aborted) reject(signal.reason as Error);
      else if (code === 0) resolve();
      else reject(new Error(`a worker thread ended with code ${code}`));
    });
  });
}

function isOutOfMemory(error: Error): boolean {
  return (error as { readonly code?: unknown }).code === "ERR_WORKER_OUT_OF_MEMORY";
}

function outOfMemory(cause: Error): OperationError {
  return new OperationError("EVAL_OUT_OF_MEMORY", outOfMemoryText(), { cause });
}

/** A thread that is told one thing after another, until it is ended. */
export class WorkerThread {
  readonly #worker: Worker;
  #isOver = false;

  /** `onEnd` is told once, with the error when it was not `end` that ended it. */
  constructor(
    module: string,
    options: Omit<WorkerOptions, "signal" | "input" | "onMessage"> & {
      readonly onMessage: (message: unknown) => void;
      readonly onEnd: (error: Error | undefined) => void;
    },
  ) {
    this.#worker = new Worker(module, {
      resourceLimits: {
        stackSizeMb: options.stackMb,
        maxOldGenerationSizeMb: options.heapMb,
        maxYoungGenerationSizeMb: options.youngHeapMb,
      },
    });
    let failure: Error | undefined;
    this.#worker.on("message", options.onMessage);
    this.#worker.on("error", (error: Error) => (failure = error));
    this.#worker.on("exit", () => {
      this.#isOver = true;
      options.onEnd(failure);
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  send(message: unknown): void {
    this.#worker.postMessage(message);
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** What the starter of this thread gave it; `undefined` in the main thread. */
export function workerInput(): unknown {
  return isMainThread ? undefined : workerData;
}

/** Sends a message to the thread that started this one. */
export function sendToStarter(message: unknown): void {
  parentPort?.postMessage(message);
}

/** A message the starter has sent already; `undefined` when there is none. Does not wait. */
export function receiveFromStarter(): unknown {
  if (parentPort === null) return undefined;
  return (receiveMessageOnPort(parentPort) as { readonly message: unknown } | undefined)?.message;
}

/** Calls back for every message of the starter from now on; the thread stays until `endWorker`. */
export function onStarterMessage(receive: (message: unknown) => void): void {
  parentPort?.on("message", receive);
}

/** Lets this thread end when it has nothing left to do. */
export function endWorker(): void {
  parentPort?.close();
}

const PENDING = 0;
const DONE = 1;

/** A cell one thread waits at, without an event loop, until another one opens it. */
export class Gate {
  readonly shared: SharedArrayBuffer;
  readonly #state: Int32Array;

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(4)) {
    this.shared = shared;
    this.#state = new Int32Array(shared);
  }

  /** Blocks this thread until the gate is opened. */
  wait(): void {
    Atomics.wait(this.#state, 0, PENDING);
  }

  open(): void {
    Atomics.store(this.#state, 0, DONE);
    Atomics.notify(this.#state, 0);
  }
}
