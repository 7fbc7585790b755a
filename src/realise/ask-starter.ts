/** How the thread of an evaluation puts a question to the thread that can wait. */

import { byteStringOfText } from "../base/byte-string.ts";
import { HostError } from "../language/host.ts";
import { Gate, receiveFromStarter, sendToStarter } from "../system/worker.ts";
import type { Answer, AnswerMessage, Question } from "./evaluate-messages.ts";

/** Blocks until the answer is there. Throws `HostError` when what was asked for cannot be had. */
export function askStarter<Q extends Question>(question: Q): Answer<Q> {
  const gate = new Gate();
  sendToStarter({ kind: "question", question, gate: gate.shared });
  gate.wait();
  const received = receiveFromStarter() as AnswerMessage;
  if ("failure" in received) throw new HostError(byteStringOfText(received.failure));
  return received.answer as Answer<Q>;
}
