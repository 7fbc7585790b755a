/**
 * Fault points for crash tests on real hosts: the process ends itself, or stands still until the host loses power,
 * just before or after it writes a journal record. Only a kit bundled for tests contains this.
 *
 * `/run/pristine/fault` holds `<when> <what> <action>`: `before` or `after`; a step and its event such as `stop.begin`,
 * or a state such as `state.activating`; `kill` or `freeze`. It takes effect once.
 */

import * as os from "quickjs:os";
import type { JournalEvent } from "../machine/transaction.ts";
import type { Host, HostFiles } from "./host.ts";

const FAULT_FILE = "/run/pristine/fault";
/** QuickJS names most signals, but not this one. */
const SIGKILL = 9;
/** Tells the test that the process stands still. */
const FROZEN_FILE = "/nix/var/pristine/frozen";

/** How a fault names a record. */
export function faultNameOf(event: JournalEvent): string {
  if (event.kind === "step") return `${event.step}.${event.event}`;
  return event.kind === "state" ? `state.${event.state}` : event.kind;
}

export function withFaultPoints(host: Host): Host {
  const files = host.files;
  const trip = (when: "before" | "after", text: string): void => {
    const fault = files.readFile(FAULT_FILE)?.trim();
    if (fault === undefined) return;
    const [wantedWhen, wantedWhat, action] = fault.split(" ");
    if (wantedWhen !== when || wantedWhat !== faultNameOf(JSON.parse(text) as JournalEvent)) return;
    os.remove(FAULT_FILE);
    if (action === "freeze") {
      files.writeDurably(FROZEN_FILE, "");
      os.kill(os.getpid(), os.SIGSTOP);
    } else os.kill(os.getpid(), SIGKILL);
  };
  const guarded: HostFiles = {
    readFile: (path) => files.readFile(path),
    readlink: (path) => files.readlink(path),
    list: (path) => files.list(path),
    exists: (path) => files.exists(path),
    makeDirectory: (path) => {
      files.makeDirectory(path);
    },
    writeDurably: (path, text) => {
      files.writeDurably(path, text);
    },
    appendDurably: (path, text) => {
      trip("before", text);
      files.appendDurably(path, text);
      trip("after", text);
    },
    replaceLink: (path, target, options) => {
      files.replaceLink(path, target, options);
    },
    remove: (path, options) => {
      files.remove(path, options);
    },
    removeTree: (path) => {
      files.removeTree(path);
    },
    modifiedAt: (path) => files.modifiedAt(path),
  };
  return { ...host, files: guarded };
}
