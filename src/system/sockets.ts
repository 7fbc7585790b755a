/** Unix sockets. */

import { connect, type Socket } from "node:net";
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
