/**
 * Fault points for tests on real hosts: the process ends itself, or stands still until it is let go or the host loses
 * power, at a given place of a transaction. Only a kit bundled for tests contains this.
 *
 * `/nix/var/pristine/faults/point` holds `<when> <what> <action>`: `before` or `after`; a journal record, which is a step and its
 * event such as `stop.begin` or a state such as `state.activating`, or else `unlock` or `disarm`, which come when the
 * journal has ended; `kill` or `freeze`. It takes effect once. The directory lies on the disk, where it can be reached while
 * nobody can log in; virtual hosts have another file system there, so that nothing of theirs is synced by a fault point.
 */

import * as os from "quickjs:os";
import type { JournalEvent } from "../machine/transaction.ts";
import type { Host, HostFiles } from "./host.ts";
import { LOCK, STATE_DIRECTORY, TIMERS } from "./transaction-record.ts";

const FAULT_FILE = `${STATE_DIRECTORY}/faults/point`;
/** Tells the test that the process stands still; removing it lets the process go on. */
const FROZEN_FILE = `${STATE_DIRECTORY}/faults/frozen`;
const FROZEN_PAUSE_MS = 20;
/** QuickJS names most signals, but not this one. */
const SIGKILL = 9;

/** How a fault names a record. */
export function faultNameOf(event: JournalEvent): string {
  if (event.kind === "step") return `${event.step}.${event.event}`;
  return event.kind === "state" ? `state.${event.state}` : event.kind;
}

export function withFaultPoints(host: Host): Host {
  const { files, units } = host;
  const trip = (when: "before" | "after", what: string): void => {
    const fault = files.readFile(FAULT_FILE)?.trim();
    if (fault === undefined) return;
    const [wantedWhen, wantedWhat, action] = fault.split(" ");
    if (wantedWhen !== when || wantedWhat !== what) return;
    os.remove(FAULT_FILE);
    if (action === "freeze") {
      files.writeDurably(FROZEN_FILE, "");
      while (files.exists(FROZEN_FILE)) host.sleepMs(FROZEN_PAUSE_MS);
    } else os.kill(os.getpid(), SIGKILL);
  };
  const at = <T>(what: string | undefined, act: () => T): T => {
    if (what !== undefined) trip("before", what);
    const result = act();
    if (what !== undefined) trip("after", what);
    return result;
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
      at(faultNameOf(JSON.parse(text) as JournalEvent), () => {
        files.appendDurably(path, text);
      });
    },
    replaceLink: (path, target, options) => {
      files.replaceLink(path, target, options);
    },
    remove: (path, options) => {
      at(path === LOCK ? "unlock" : undefined, () => {
        files.remove(path, options);
      });
    },
    removeTree: (path) => {
      files.removeTree(path);
    },
    syncFileSystem: (path) => {
      files.syncFileSystem(path);
    },
    modifiedAt: (path) => files.modifiedAt(path),
  };
  const timers = TIMERS.map((timer) => `${timer}.timer`);
  const stop = units.stop.bind(units);
  units.stop = (names, timeoutSeconds) =>
    at(timers.every((timer) => names.includes(timer)) ? "disarm" : undefined, () => stop(names, timeoutSeconds));
  return { ...host, files: guarded };
}
