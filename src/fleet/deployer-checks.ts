/** Health checks that the deployer itself runs, as the evaluation on this machine declares them. */

import type { Clock } from "../base/clock.ts";
import { OperationError } from "../base/errors.ts";
import {
  type Attempt,
  type DeployerCheck,
  type HealthResult,
  judgeAddresses,
  judgeExit,
  judgeResponse,
} from "../machine/health-check.ts";
import { askHttp } from "../system/ask-http.ts";
import { run } from "../system/process.ts";
import { addressesOf } from "../system/resolve-name.ts";
import { tcpFailure } from "../system/tcp.ts";

export interface DeployerChecksOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** No attempt begins later than this after the start, and none lasts longer. */
  readonly withinMs: number;
  /** Whether what is checked has just been activated, and is given time to settle. */
  readonly settles: boolean;
  /** Told of each command before it runs. */
  readonly onCommand?: ((argv: readonly string[]) => void) | undefined;
  /** How commands are run, when not as processes. */
  readonly run?: typeof run | undefined;
}

/** Runs checks at the same time; one result each, in order. Rejects only when it is aborted. */
export async function runDeployerChecks(
  checks: readonly DeployerCheck[],
  options: DeployerChecksOptions,
): Promise<HealthResult[]> {
  return await Promise.all(checks.map(async (check) => await runDeployerCheck(check, options)));
}

async function runDeployerCheck(check: DeployerCheck, options: DeployerChecksOptions): Promise<HealthResult> {
  const { clock, signal } = options;
  const untilMs = clock.nowMs() + options.withinMs;
  const pause = async (seconds: number): Promise<void> =>
    await clock.sleep(Math.max(0, Math.min(seconds * 1000, untilMs - clock.nowMs())), signal);
  if (options.settles && check.settleSeconds !== undefined) await pause(check.settleSeconds);
  const beganMs = clock.nowMs();
  let last: Attempt = { healthy: false, message: "no time was left for it" };
  let attempts = 0;
  while (attempts <= check.retries) {
    if (attempts > 0) await pause(check.intervalSeconds);
    const leftMs = untilMs - clock.nowMs();
    if (leftMs <= 0) break;
    const timeoutMs = Math.round(Math.min(check.timeoutSeconds * 1000, leftMs));
    if (check.kind === "command") options.onCommand?.(check.command);
    last = await attempt(check, { timeoutMs, signal, run: options.run ?? run });
    attempts++;
    if (last.healthy) break;
  }
  return { name: check.name, from: "deployer", ...last, attempts, milliseconds: Math.round(clock.nowMs() - beganMs) };
}

type Run = typeof run;

interface Bounds {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

async function attempt(check: DeployerCheck, { run, ...bounds }: Bounds & { readonly run: Run }): Promise<Attempt> {
  switch (check.kind) {
    case "http": {
      const { url, method, requestHeaders } = check;
      const answer = await askHttp(url, {
        ...bounds,
        method,
        headers: { "User-Agent": "pristine", ...requestHeaders },
      });
      return typeof answer === "string" ? { healthy: false, message: answer } : judgeResponse(check, answer);
    }
    case "tcp": {
      const failure = await tcpFailure(check.host, check.port, bounds);
      const message = failure ?? `${check.host}:${check.port} accepts connections`;
      return { healthy: failure === undefined, message };
    }
    case "dns":
      return judgeAddresses(check, await addressesOf(check.query, { ...bounds, server: check.server }));
    case "command":
      return await commandAttempt(check.command, bounds, run);
  }
}

/** Between SIGTERM and SIGKILL, for a command whose time is up. */
const GRACE_MS = 500;
const OUTPUT_BYTES_MAX = 8 * 1024 * 1024;

async function commandAttempt(command: readonly string[], { timeoutMs, signal }: Bounds, run: Run): Promise<Attempt> {
  const options = { deadlineMs: timeoutMs, graceMs: GRACE_MS, outputSizeMax: OUTPUT_BYTES_MAX, signal };
  try {
    const { code, timedOut, stdout, stderr } = await run(command, options);
    if (timedOut) return { healthy: false, message: `no end after ${timeoutMs / 1000} s` };
    return judgeExit(code, { stdout: stdout.toString("utf8"), stderr: stderr.toString("utf8") });
  } catch (error) {
    if (!(error instanceof OperationError) || signal.aborted) throw error;
    return { healthy: false, message: error.message };
  }
}
