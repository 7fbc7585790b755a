/** Plain TCP questions: is somebody listening there, and what does he say first. */

import { connect } from "node:net";

/** The first bytes a server sends by itself, or `undefined` when it does not answer in time. Never throws. */
export async function tcpGreeting(
  address: string,
  port: number,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const finish = (greeting: string | undefined): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      socket.destroy();
      resolve(greeting);
    };
    const onAbort = (): void => finish(undefined);
    const timer = setTimeout(onAbort, options.timeoutMs);
    options.signal?.addEventListener("abort", onAbort, { once: true });
    socket.once("data", (chunk) => finish(chunk.toString("latin1")));
    socket.once("error", onAbort);
    socket.once("close", onAbort);
  });
}

/** Why no connection comes about; `undefined` when it does. Every address of a name is tried. */
export async function tcpFailure(
  host: string,
  port: number,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (failure: string | undefined): void => {
      clearTimeout(timer);
      options.signal.removeEventListener("abort", onAbort);
      socket.destroy();
      resolve(failure);
    };
    const onAbort = (): void => finish("interrupted");
    const timer = setTimeout(() => finish(`no answer after ${options.timeoutMs / 1000} s`), options.timeoutMs);
    options.signal.addEventListener("abort", onAbort, { once: true });
    socket.once("connect", () => finish(undefined));
    socket.once("error", (error: NodeJS.ErrnoException) =>
      finish(error.code === "ECONNREFUSED" ? `${host}:${port} refuses` : error.message || `${host}:${port} refuses`),
    );
  });
}
