/** The thread of an interactive session: a command comes in, text and one reply go out. */

import { setFlagsFromString } from "node:v8";
import { byteStringOfText, textOfByteString } from "../../base/byte-string.ts";
import { HostError } from "../../language/host.ts";
import {
  endWorker,
  Gate,
  onStarterMessage,
  receiveFromStarter,
  sendToStarter,
  workerInput,
} from "../../system/worker.ts";
import type { Answer, AnswerMessage, Question } from "../evaluate-messages.ts";
import { EvalDiagnostic } from "../evaluation-request.ts";
import { diagnosticOf } from "../run-evaluation.ts";
import type { ReplCommand, ReplMessage, ReplReply, ReplStart } from "./repl-messages.ts";
import { ReplSession } from "./repl-session.ts";

// As for any evaluation: most functions of a program run once.
setFlagsFromString("--no-opt");

const start = workerInput() as ReplStart;
const interrupt = new Int32Array(start.interrupt);

/** Thrown out of an evaluation that the user has ended. No expression can catch it. */
class Interruption extends Error {
  override readonly name = "Interruption";
}

function send(message: ReplMessage): void {
  sendToStarter(message);
}

/** Text goes out in pieces of this size: printing makes very many small ones. */
const PIECE_CHARS = 16_384;
let pending = "";
let isMidLine = false;

function flush(): void {
  if (pending !== "") {
    send({ kind: "out", text: textOfByteString(pending) });
    isMidLine = !pending.endsWith("\n");
  }
  pending = "";
}

function askStarter<Q extends Question>(question: Q): Answer<Q> {
  flush();
  const gate = new Gate();
  send({ kind: "question", question, gate: gate.shared });
  gate.wait();
  const received = receiveFromStarter() as AnswerMessage;
  checkInterrupt();
  if ("failure" in received) throw new HostError(byteStringOfText(received.failure));
  return received.answer as Answer<Q>;
}

function checkInterrupt(): void {
  if (Atomics.exchange(interrupt, 0, 0) !== 0) throw new Interruption();
}

let isQuiet = false;

const session = new ReplSession(
  start,
  {
    out: (text) => {
      pending += text;
      if (pending.length > PIECE_CHARS) flush();
    },
    notice: (text) => {
      flush();
      send({ kind: "notice", text: textOfByteString(text) });
    },
  },
  {
    onTrace: (line) => tell(`trace: ${line}`),
    onWarning: (text, isFromExpression) => tell(`${isFromExpression ? "evaluation warning" : "warning"}: ${text}`),
    canRealise: start.canRealise,
    ask: askStarter,
  },
);

function tell(text: string): void {
  if (isQuiet) return;
  flush();
  send({ kind: "notice", text });
}

// Every call of the evaluator looks at the limit of nested calls: looking at it is where an evaluation can be ended
// from outside, at no cost to evaluations that cannot be.
const { state } = session.evaluation;
const { callDepthMax } = state;
Object.defineProperty(state, "callDepthMax", {
  get: () => {
    if (Atomics.load(interrupt, 0) !== 0) checkInterrupt();
    return callDepthMax;
  },
});

function attempt(action: () => ReplReply): ReplReply {
  isMidLine = false;
  Atomics.store(interrupt, 0, 0);
  try {
    return action();
  } catch (error) {
    // Half a value says nothing; Nix shows it after the error. What is out already is at least ended.
    if (!start.isCompatible) pending = "";
    if (!start.isCompatible && isMidLine) send({ kind: "out", text: "\n" });
    send({ kind: "error", text: describe(error) });
    return { kind: "done" };
  } finally {
    flush();
  }
}

function describe(error: unknown): string {
  if (error instanceof Interruption) return "error: interrupted by the user";
  const shown = diagnosticOf(error, session.showsTrace);
  if (shown instanceof EvalDiagnostic) return shown.rendered;
  throw error;
}

function complete(text: string): ReplReply {
  isQuiet = true;
  try {
    const { word, candidates } = session.complete(byteStringOfText(text));
    return { kind: "completions", word: textOfByteString(word), candidates: candidates.map(textOfByteString) };
  } catch (error) {
    // Nothing is shown of what an expression does wrong while its end is still being written.
    if (!(error instanceof Interruption) && !(diagnosticOf(error, false) instanceof EvalDiagnostic)) throw error;
    return { kind: "completions", word: "", candidates: [] };
  } finally {
    isQuiet = false;
  }
}

onStarterMessage((message) => {
  const command = message as ReplCommand;
  switch (command.kind) {
    case "start":
      return send({ kind: "reply", reply: attempt(() => (session.load(), { kind: "done" })) });
    case "line":
      return send({ kind: "reply", reply: attempt(() => session.run(byteStringOfText(command.text))) });
    case "complete":
      Atomics.store(interrupt, 0, 0);
      return send({ kind: "reply", reply: complete(command.text) });
    case "end":
      return endWorker();
  }
});
send({ kind: "ready" });
