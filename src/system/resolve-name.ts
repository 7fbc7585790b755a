/** The addresses of a name, asked as this machine's programs do or of one server. */

import { lookup, Resolver } from "node:dns/promises";

/** All addresses, or none when the name has none or nobody answers in time. */
export async function addressesOf(
  name: string,
  options: { readonly server?: string | undefined; readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<string[]> {
  const { server, timeoutMs, signal } = options;
  return await Promise.race([asked(name, server, timeoutMs), ended(timeoutMs, signal)]);
}

async function asked(name: string, server: string | undefined, timeoutMs: number): Promise<string[]> {
  if (server === undefined) {
    const found = await lookup(name, { all: true }).catch(() => []);
    return found.map(({ address }) => address);
  }
  const resolver = new Resolver({ timeout: Math.ceil(timeoutMs), tries: 1 });
  resolver.setServers([server.includes(":") ? `[${server}]` : server]);
  const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  return answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
}

/** A question to the system's resolver cannot be taken back: it is not waited for. */
async function ended(timeoutMs: number, signal: AbortSignal): Promise<string[]> {
  return await new Promise((resolve) => {
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(timeoutMs))]);
    if (timeout.aborted) resolve([]);
    timeout.addEventListener("abort", () => resolve([]), { once: true });
  });
}
