/** Conversations end: with the answer, or without one. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Conversation, converse, listenUnix } from "./sockets.ts";

const directory = mkdtempSync(join(tmpdir(), "pristine-sockets-"));
after(() => rmSync(directory, { recursive: true, force: true }));

const signal = AbortSignal.timeout(60_000);
const QUESTION = Buffer.from("?");

/** What comes of asking a listener that does `listen` with each question. */
async function outcomeOf(name: string, listen: (conversation: Conversation) => void, onData: () => boolean) {
  const path = join(directory, name);
  const stop = await listenUnix(path, (conversation) => ({
    onData: () => listen(conversation),
    onGone: () => undefined,
  }));
  try {
    return await converse(path, QUESTION, { onData, silenceMsMax: 50, signal });
  } finally {
    stop();
  }
}

test("an answer is heard", async () => {
  assert.equal(
    await outcomeOf(
      "answer",
      (conversation) => conversation.send(QUESTION),
      () => true,
    ),
    true,
  );
});

test("silence, an early end and nonsense are no answer", async () => {
  const nonsense = (): never => {
    throw new Error("not understood");
  };
  const hello = (conversation: Conversation): void => conversation.send(QUESTION);
  assert.equal(
    await outcomeOf(
      "silence",
      () => undefined,
      () => true,
    ),
    false,
  );
  assert.equal(await outcomeOf("stops", hello, () => false), false);
  assert.equal(
    await outcomeOf(
      "end",
      (conversation) => conversation.end(),
      () => true,
    ),
    false,
  );
  assert.equal(await outcomeOf("nonsense", hello, nonsense), false);
  const nobody = { onData: () => true, silenceMsMax: 50, signal };
  assert.equal(await converse(join(directory, "nobody"), QUESTION, nobody), false);
});
