/** Unix sockets. */

import { lstatSync, renameSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { OperationError } from "../base/errors.ts";

/** Connects to a socket in the file system. */
export async function connectUnix(path: string, signal?: AbortSignal): Promise<Socket> {
  signal?.throwIfAborted();
  return await new Promise((resolve, reject) => {
    const socket = connect(path);
    const onAbort = (): void => {
      socket.destroy();
      reject(signal?.reason as Error);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.once("connect", () => {
      signal?.removeEventListener("abort", onAbort);
      resolve(socket);
    });
    socket.once("error", (error) => {
      signal?.removeEventListener("abort", onAbort);
      reject(
        new OperationError("SOCKET_NOT_CONNECTED", `cannot connect to ${path}: ${error.message}`, { cause: error }),
      );
    });
  });
}

/** Whether something answers at a socket in the file system. */
export async function canConnect(path: string): Promise<boolean> {
  try {
    (await connectUnix(path)).destroy();
    return true;
  } catch {
    // Absent, refused, not ours: it does not answer, which is all that was asked.
    return false;
  }
}

/** Sends bytes and hears the answer; false when nobody listens, or the other side goes away, falls silent or makes no sense. */
export async function converse(
  path: string,
  question: Uint8Array,
  options: {
    /** Takes what arrives; answers true when that was all. */
    readonly onData: (chunk: Buffer) => boolean;
    /** The other side is given up when nothing was heard from it for so long. */
    readonly silenceMsMax: number;
    readonly signal: AbortSignal;
  },
): Promise<boolean> {
  const { onData, silenceMsMax, signal } = options;
  signal.throwIfAborted();
  return await new Promise((resolve, reject) => {
    const socket = connect(path);
    const finish = (act: () => void): void => {
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      act();
    };
    const onAbort = (): void => finish(() => reject(signal.reason as Error));
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("connect", () => socket.write(question));
    socket.setTimeout(silenceMsMax, () => finish(() => resolve(false)));
    socket.on("data", (chunk: Buffer) => {
      try {
        if (onData(chunk)) finish(() => resolve(true));
      } catch {
        // Whoever says what cannot be understood is not listened to any longer.
        finish(() => resolve(false));
      }
    });
    socket.once("error", () => finish(() => resolve(false)));
    socket.once("close", () => finish(() => resolve(false)));
  });
}

/** One conversation, as the side that listens has it. */
export interface Conversation {
  send(bytes: Uint8Array): void;
  end(): void;
}

/**
 * Listens at a path that takes over whatever is there in one step. The answer stops listening; it leaves the path alone
 * when another process has taken it over.
 */
export async function listenUnix(
  path: string,
  accept: (conversation: Conversation) => { onData: (chunk: Buffer) => void; onGone: () => void },
): Promise<() => void> {
  const server = createServer((socket) => {
    const { onData, onGone } = accept({ send: (bytes) => socket.write(bytes), end: () => socket.end() });
    socket.on("data", (chunk: Buffer) => {
      try {
        onData(chunk);
      } catch {
        // Whoever says what cannot be understood is not listened to any longer.
        socket.destroy();
      }
    });
    socket.on("error", () => undefined);
    socket.once("close", onGone);
  });
  const temporary = `${path}.${process.pid}`;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(temporary, resolve);
  });
  renameSync(temporary, path);
  const own = lstatSync(path).ino;
  return () => {
    if (lstatSync(path, { throwIfNoEntry: false })?.ino === own) rmSync(path, { force: true });
    server.close();
  };
}
