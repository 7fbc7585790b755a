/** A thread that evaluates one request after another, sharing package sets between them. */

import { InvariantError } from "../../base/errors.ts";
import { heapLimitMb } from "../../system/heap.ts";
import { programModule } from "../../system/program-files.ts";
import { Gate, WorkerThread } from "../../system/worker.ts";
import type { Keeping } from "../cache/evaluation-cache.ts";
import type { AnswerMessage, Question } from "../evaluate-messages.ts";
import { EvalDiagnostic, type EvaluationRequest, type EvaluationResult } from "../evaluation-request.ts";
import { threadSize } from "../thread-size.ts";
import type { SharedAnswer, SharedQuery } from "./shared-messages.ts";

const WORKER = programModule("src/realise/sharing/shared-worker.ts");

/** Who hears of an evaluation, and answers what it asks. */
export interface ThreadServices {
  /** Answers a question; without it, an evaluation that has one is declined. */
  readonly answer?: (question: Question) => Promise<AnswerMessage>;
  readonly canRealise?: boolean;
  readonly onTrace?: (line: string) => void;
  readonly onWarning?: (text: string, isFromExpression: boolean) => void;
  readonly batchId?: number;
  readonly keepsMade?: boolean;
  /** The thread is to keep the result, which then comes without what was read. */
  readonly keeping?: Keeping;
}

type Made = Pick<EvaluationResult, "derivations" | "sources">;

interface Waiting {
  readonly services: ThreadServices;
  readonly resolve: (answer: SharedAnswer) => void;
  readonly reject: (error: Error) => void;
}

export class EvaluationThread {
  readonly #thread: WorkerThread;
  #waiting: Waiting | undefined;
  /** What the thread's heap held after the last answer. */
  heapBytes = 0;

  constructor(options: { readonly heapMb: number }) {
    this.#thread = new WorkerThread(WORKER, {
      ...threadSize(),
      heapMb: heapLimitMb(options.heapMb),
      onMessage: (message) => this.#receive(message as SharedAnswer),
      onEnd: (error) => this.#waiting?.reject(error ?? new Error("the evaluator's thread was ended")),
    });
  }

  get isBusy(): boolean {
    return this.#waiting !== undefined;
  }

  get isOver(): boolean {
    return this.#thread.isOver;
  }

  /** Evaluates; `undefined` when it would have had to ask and nobody answers. One at a time. */
  async evaluate(request: EvaluationRequest, services: ThreadServices): Promise<EvaluationResult | undefined> {
    const { batchId, keeping } = services;
    const answer = await this.#ask(services, {
      kind: "evaluate",
      request,
      canAsk: services.answer !== undefined,
      canRealise: services.canRealise ?? false,
      ...(batchId === undefined ? {} : { batchId }),
      ...(keeping === undefined ? {} : { keeping }),
      keepsMade: services.keepsMade ?? false,
    });
    switch (answer.kind) {
      case "result":
        this.heapBytes = answer.heapBytes;
        return answer.result;
      case "declined":
        return undefined;
      case "diagnostic":
        throw new EvalDiagnostic(answer.data);
      default:
        throw new InvariantError(`the evaluator's thread answered with '${answer.kind}'`);
    }
  }

  /** What all evaluations with `keepsMade` made. */
  async made(): Promise<Made> {
    const answer = await this.#ask({}, { kind: "made" });
    if (answer.kind !== "made") throw new InvariantError(`the evaluator's thread answered with '${answer.kind}'`);
    return answer;
  }

  async end(): Promise<void> {
    await this.#thread.end();
  }

  async #ask(services: ThreadServices, query: SharedQuery): Promise<SharedAnswer> {
    if (this.#waiting !== undefined) throw new InvariantError("the evaluator's thread was asked while it was busy");
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting = { services, resolve, reject };
        this.#thread.send(query);
      });
    } finally {
      this.#waiting = undefined;
    }
  }

  #receive(answer: SharedAnswer): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const { services } = waiting;
    if (answer.kind === "trace") services.onTrace?.(answer.line);
    else if (answer.kind === "warning") services.onWarning?.(answer.text, answer.isFromExpression);
    else if (answer.kind === "question") {
      void services.answer!(answer.question).then((reply) => {
        this.#thread.send(reply);
        new Gate(answer.gate).open();
      });
    } else waiting.resolve(answer);
  }
}
