/**
 * The resident evaluator: answers this user's evaluations with package sets and code that are at hand already.
 *
 * It is started by a command that has just evaluated something for long, and first does the same. One evaluation runs at
 * a time; a client that finds it busy evaluates itself, as it does when there is no answer. It ends when nobody has asked
 * for a while, when another one has taken its place, and when a client goes away it lets go of what it was doing.
 */

import { join } from "node:path";
import { readStandardInput } from "../../system/detached.ts";
import { type Conversation, listenUnix } from "../../system/sockets.ts";
import { EvalDiagnostic } from "../evaluation-request.ts";
import { EvaluationThread } from "../sharing/evaluation-thread.ts";
import {
  encodeFrame,
  FrameReader,
  type ResidentAnswer,
  residentDirectory,
  type ResidentQuery,
  residentSocketName,
} from "./resident-socket.ts";

const IDLE_MS = 5 * 60_000;
const WORKING_EVERY_MS = 1000;
/** With a larger heap the thread is given up after its answer. */
const HEAP_BYTES_MAX = 1024 * 1024 * 1024;
const HEAP_MB = 2048;

let thread: EvaluationThread | undefined;
let answered = 0;

let idle: NodeJS.Timeout | undefined;
let stop: (() => void) | undefined;

async function start(): Promise<void> {
  const directory = residentDirectory({ make: true });
  if (directory === undefined) return;
  stop = await listenUnix(join(directory.path, residentSocketName()), accept);
  waitForWork();
  const first = new FrameReader().take(await readStandardInput());
  for (const query of first as ResidentQuery[]) {
    if (query.kind === "evaluate") await evaluate(query, () => undefined);
  }
}

function waitForWork(): void {
  clearTimeout(idle);
  idle = setTimeout(() => {
    if (thread?.isBusy === true) return waitForWork();
    stop?.();
    process.exit(0);
  }, IDLE_MS);
}

function accept(conversation: Conversation): ReturnType<Parameters<typeof listenUnix>[1]> {
  waitForWork();
  const reader = new FrameReader();
  const reply = (answer: ResidentAnswer): void => conversation.send(encodeFrame(answer));
  let isEvaluating = false;
  const answerQuery = async (query: ResidentQuery): Promise<void> => {
    if (query.kind === "status") {
      return reply({ kind: "status", pid: process.pid, answered, heapBytes: thread?.heapBytes ?? 0 });
    }
    if (thread?.isBusy === true) return reply({ kind: "declined" });
    isEvaluating = true;
    const working = setInterval(() => reply({ kind: "working" }), WORKING_EVERY_MS);
    await evaluate(query, reply);
    clearInterval(working);
    isEvaluating = false;
  };
  return {
    onData: (chunk) => {
      for (const query of reader.take(chunk) as ResidentQuery[]) void answerQuery(query);
    },
    onGone: () => {
      if (isEvaluating) dropThread();
    },
  };
}

async function evaluate(
  { request, keeping }: Extract<ResidentQuery, { readonly kind: "evaluate" }>,
  reply: (answer: ResidentAnswer) => void,
): Promise<void> {
  if (thread === undefined || thread.isOver) thread = new EvaluationThread({ heapMb: HEAP_MB });
  const own = thread;
  try {
    const result = await own.evaluate(request, {
      onTrace: (line) => reply({ kind: "trace", line }),
      onWarning: (text, isFromExpression) => reply({ kind: "warning", text, isFromExpression }),
      ...(keeping === undefined ? {} : { keeping }),
    });
    reply(result === undefined ? { kind: "declined" } : { kind: "result", result });
    answered++;
  } catch (error) {
    // What does not fit here may fit a process of its own.
    if (error instanceof EvalDiagnostic && error.code !== "EVAL_OUT_OF_MEMORY")
      reply({ kind: "diagnostic", data: error.data });
    else {
      // Whatever it was, the client can do without; the next one gets a new thread.
      reply({ kind: "declined" });
      dropThread();
    }
  }
  if (own.heapBytes > HEAP_BYTES_MAX) dropThread();
}

function dropThread(): void {
  void thread?.end();
  thread = undefined;
}

void start();
