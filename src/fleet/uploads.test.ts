/** Files that are put on a host: whole or not at all, with their owners and modes, and each once. */

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { run } from "../system/process.ts";
import type { Command } from "./ssh.ts";
import { HostUploads, requireUploads, type Upload, UPLOAD_SCRIPT } from "./uploads.ts";

const signal = AbortSignal.timeout(60_000);
const directory = mkdtempSync(join(tmpdir(), "uploads-"));
after(() => {
  rmSync(directory, { recursive: true });
});
writeFileSync(join(directory, "source"), "from a file\n");

const own: Pick<Upload, "owner" | "group"> = { owner: String(userInfo().uid), group: String(userInfo().gid) };

function upload(name: string, more: Partial<Upload>): Upload {
  return {
    name,
    place: "fleet.nix:3",
    source: "text",
    file: null,
    command: null,
    path: join(directory, "host", name),
    ...own,
    mode: "0640",
    when: "preActivation",
    makeDirectories: true,
    afterwards: [],
    ...more,
  };
}

/** A host that is this machine. */
function host(
  uploads: readonly Upload[],
  more: { readonly ledger?: string } = {},
): { readonly uploads: HostUploads; readonly notes: string[] } {
  const notes: string[] = [];
  const connection = { run: ({ argv, stdin }: Command) => run(argv, { stdin, signal }) };
  const textOf = ({ name }: Upload): Promise<string> => Promise.resolve(`text of ${name}`);
  const onNote = (text: string): void => void notes.push(text);
  return {
    uploads: new HostUploads({ host: "web", uploads, directory, textOf, connection, onNote, signal, ...more }),
    notes,
  };
}

const contentsOf = (name: string): string => readFileSync(join(directory, "host", name), "utf8");

test("each kind of source arrives, before the activation or after it, and nothing else is left behind", async () => {
  const { uploads, notes } = host([
    upload("file", { file: "source" }),
    upload("command", { command: ["printf", "%s", "from a program"], when: "postActivation" }),
    upload("text", { mode: "400", afterwards: ["touch", join(directory, "followed")] }),
  ]);
  await uploads.before();
  assert.deepEqual(readdirSync(join(directory, "host")).sort(), ["file", "text"]);
  await uploads.after();
  assert.deepEqual(["file", "command", "text"].map(contentsOf), ["from a file\n", "from a program", "text of text"]);
  assert.equal(statSync(join(directory, "host/file")).mode & 0o7777, 0o640);
  assert.equal(statSync(join(directory, "host/text")).mode & 0o7777, 0o400);
  assert.equal(notes.length, 3);
  assert.deepEqual(readdirSync(directory).sort(), ["followed", "host", "source"]);
});

test("what is there already is left alone, and nothing follows it", async () => {
  const before = statSync(join(directory, "host/text")).ino;
  rmSync(join(directory, "followed"));
  const { uploads, notes } = host([
    upload("text", { mode: "400", afterwards: ["touch", join(directory, "followed")] }),
  ]);
  await uploads.after();
  assert.equal(statSync(join(directory, "host/text")).ino, before);
  assert.deepEqual(notes, ["upload text: as it was"]);
  assert.ok(!readdirSync(directory).includes("followed"));
});

test("who does not exist before the activation owns it afterwards, or it is an error", async () => {
  const { uploads, notes } = host([upload("late", { owner: "nobody-of-this-name" })]);
  await uploads.before();
  assert.equal(contentsOf("late"), "text of late");
  assert.equal(statSync(join(directory, "host/late")).uid, userInfo().uid);
  assert.equal(notes.length, 1);
  await assert.rejects(uploads.after(), {
    code: "UPLOAD_FAILED",
    message: "upload 'late' to web failed: there is no user nobody-of-this-name or group " + own.group,
    hint: /declared in fleet\.nix:3/,
  });
});

test("a source that fails is noticed before anything is uploaded", async () => {
  const { uploads } = host([
    upload("never", {}),
    upload("bad", { command: ["sh", "-c", "echo locked >&2; exit 3"], when: "postActivation" }),
  ]);
  await assert.rejects(uploads.before(), { code: "UPLOAD_SOURCE", message: /of web cannot be read: sh -c .*locked/ });
  assert.ok(!readdirSync(join(directory, "host")).includes("never"));
});

test("sources that are not here are refused before anything is done", async () => {
  const refuse = (more: Partial<Upload>): Promise<void> =>
    requireUploads({ name: "web", uploads: [upload("x", more)] }, directory);
  await refuse({ file: "source" });
  await refuse({ command: ["sh"] });
  await assert.rejects(refuse({ file: "none" }), { code: "UPLOAD_SOURCE", message: /there is no file .*\/none/ });
  await assert.rejects(refuse({ command: ["no-such-program"] }), { message: /no-such-program is no program/ });
});

test("a directory that is missing is made only where that is wanted", async () => {
  const path = join(directory, "other/deep/file");
  const { uploads } = host([upload("x", { path, makeDirectories: false })]);
  await assert.rejects(uploads.after(), { code: "UPLOAD_FAILED" });
  await host([upload("x", { path })]).uploads.after();
  assert.equal(readFileSync(path, "utf8"), "text of x");
});

test("where what is made is noted, nothing else is replaced", async () => {
  const ledger = join(directory, "ledger");
  const paths = ["noted", "noted/deep", "noted/deep/file"].map((name) => join(directory, name));
  const path = paths[2]!;
  await host([upload("x", { path })], { ledger }).uploads.after();
  assert.equal(readFileSync(ledger, "utf8"), paths.map((line) => `${line}\n`).join(""));
  await host([upload("y", { path })], { ledger }).uploads.after();
  assert.equal(readFileSync(path, "utf8"), "text of y");
  assert.equal(readFileSync(ledger, "utf8").split("\n").length, 4, "noted once");
  const theirs = join(directory, "noted/theirs");
  writeFileSync(theirs, "theirs");
  await assert.rejects(host([upload("x", { path: theirs })], { ledger }).uploads.after(), {
    code: "UPLOAD_FAILED",
    message: /noted\/theirs is on the host already, and not of our making/,
  });
  assert.equal(readFileSync(theirs, "utf8"), "theirs");
  await assert.rejects(host([upload("x", {})], { ledger: join(directory, "absent/ledger") }).uploads.after(), {
    message: /nothing of ours is on the host: deploy to it first/,
  });
});

test("what arrives cut off is thrown away", async () => {
  const path = join(directory, "host/text");
  const words = [path, own.owner, own.group, "0400", "99", "no", "yes", ""];
  const outcome = await run(["sh", "-c", UPLOAD_SCRIPT, "upload", ...words], { stdin: "text", signal });
  assert.notEqual(outcome.code, 0);
  assert.equal(contentsOf("text"), "text of text");
  assert.deepEqual(readdirSync(join(directory, "host")).sort(), ["command", "file", "late", "text"]);
});

test("what a killed one has left goes with the next, and what may be at work stays", async () => {
  const left = (suffix: string): string => join(directory, `host/text.upload-${suffix}`);
  for (const suffix of ["killed", "atwork"]) writeFileSync(left(suffix), "half");
  utimesSync(left("killed"), new Date(0), new Date(0));
  await host([upload("text", {})]).uploads.after();
  assert.deepEqual(
    readdirSync(join(directory, "host")).filter((name) => name.startsWith("text")),
    ["text", "text.upload-atwork"],
  );
  rmSync(left("atwork"));
});
