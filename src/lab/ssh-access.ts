/** Keys by which a lab's hosts and this machine know each other from the start, and the way in that they open. */

import { systemClock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import { quotePosix } from "../base/shell-words.ts";
import { ensureDirectory, exists, readText, writeFileAtomic } from "../system/files.ts";
import { type ProcessOutcome, run, succeeded } from "../system/process.ts";
import { tcpGreeting } from "../system/tcp.ts";
import { hostPaths, labPaths } from "./lab-names.ts";
import { tool } from "./tools.ts";

/** Makes the key pair with which the operator logs in, when there is none. */
export async function makeOperatorKey(lab: string, signal: AbortSignal): Promise<void> {
  await makeKey(labPaths(lab).identity, `operator of lab ${lab}`, signal);
}

/** Makes a host's own key pair, when there is none. */
export async function makeHostKey(lab: string, host: string, signal: AbortSignal): Promise<void> {
  await makeKey(hostPaths(lab, host).hostKey, `${host} in lab ${lab}`, signal);
}

export async function operatorPublicKey(lab: string): Promise<string> {
  return (await readText(`${labPaths(lab).identity}.pub`)).trim();
}

async function makeKey(path: string, comment: string, signal: AbortSignal): Promise<void> {
  if (await exists(`${path}.pub`)) return;
  await ensureDirectory(path.slice(0, path.lastIndexOf("/")), 0o700);
  await tool(["rm", "-f", path]);
  await tool(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path], { signal });
}

/** Puts a host's key where its sshd looks for it, and the operator's where a system without users looks. */
export async function installKeys(lab: string, host: string, authorizedKeys: readonly string[]): Promise<void> {
  const paths = hostPaths(lab, host);
  await ensureDirectory(`${paths.disk}/persist/etc/ssh`, 0o755);
  for (const [suffix, mode] of [
    ["", 0o600],
    [".pub", 0o644],
  ] as const) {
    await writeFileAtomic(
      `${paths.disk}/persist/etc/ssh/ssh_host_ed25519_key${suffix}`,
      await readText(`${paths.hostKey}${suffix}`),
      { mode },
    );
  }
  await ensureDirectory(`${paths.disk}/nix/var/pristine/seed`, 0o755);
  await writeFileAtomic(`${paths.disk}/nix/var/pristine/seed/authorized_keys`, `${authorizedKeys.join("\n")}\n`, {
    mode: 0o644,
  });
}

/** Runs a command on a host, over a connection of its own. */
export async function runOnHost(
  lab: string,
  host: string,
  command: readonly string[],
  options: { readonly signal?: AbortSignal | undefined; readonly deadlineMs?: number; readonly stdin?: string } = {},
): Promise<ProcessOutcome> {
  const argv = [
    "ssh",
    "-F",
    labPaths(lab).sshConfig,
    "-oBatchMode=yes",
    "-oControlPath=none",
    "--",
    host,
    ...command.map(quotePosix),
  ];
  return run(argv, { signal: options.signal, deadlineMs: options.deadlineMs ?? 60_000, stdin: options.stdin });
}

/** Waits until a host lets the operator in. `whyNot` explains a failure, such as by its console. */
export async function waitForSsh(
  lab: string,
  { host, address }: { readonly host: string; readonly address: string },
  options: { readonly deadlineMs: number; readonly signal: AbortSignal; readonly whyNot: () => Promise<string> },
): Promise<void> {
  const deadline = systemClock.nowMs() + options.deadlineMs;
  let said = "";
  for (;;) {
    options.signal.throwIfAborted();
    const greeting = await tcpGreeting(address, 22, { timeoutMs: 2_000, signal: options.signal });
    if (greeting?.startsWith("SSH-") === true) {
      const outcome = await runOnHost(lab, host, ["true"], { signal: options.signal, deadlineMs: 15_000 });
      if (succeeded(outcome)) return;
      said = outcome.stderr.toString("utf8").trim();
    }
    if (systemClock.nowMs() > deadline) break;
    await systemClock.sleep(100, options.signal);
  }
  const why = said === "" ? await options.whyNot() : said;
  throw new OperationError(
    "LAB_HOST_SILENT",
    `${host} (${address}) does not answer by ssh within ${options.deadlineMs / 1000} seconds: ${why}`,
    {
      hint: `look at its console: pristine lab status ${host} --lab-name ${lab}`,
      retryable: true,
    },
  );
}
