/**
 * Running health checks on the host.
 *
 * QuickJS has no sockets. HTTP and TCP go through the busybox that the kit carries (`nc`), so that a check needs nothing
 * of the host's closure; without it through the host's own `curl`, or through bash's `/dev/tcp`. https needs `curl`.
 */

import {
  type Attempt,
  type DnsWish,
  type HealthCheck,
  type HealthResult,
  type HttpResponse,
  type HttpWish,
  judgeAddresses,
  judgeExit,
  judgeResponse,
} from "../machine/health-check.ts";
import { diskAttempt, fileAttempt, memoryAttempt, TEXT_CHARS_MAX } from "./health-of-system.ts";
import type { CommandResult, Host } from "./host.ts";

interface HealthRun {
  readonly onResult?: (result: HealthResult) => void;
  /** When the system was activated, for checks that let it settle; absent when that is long ago. */
  readonly activatedAtMs?: number;
  /** No attempt begins after this time since boot, and none lasts much longer. */
  readonly untilMs?: number;
}

export function runHealthChecks(host: Host, checks: readonly HealthCheck[], run: HealthRun = {}): HealthResult[] {
  return checks.map((check) => {
    const result = runHealthCheck(host, check, run);
    run.onResult?.(result);
    return result;
  });
}

function runHealthCheck(host: Host, check: HealthCheck, run: HealthRun): HealthResult {
  const { activatedAtMs, untilMs = Number.POSITIVE_INFINITY } = run;
  if (activatedAtMs !== undefined) {
    const settledMs = activatedAtMs + (check.settleSeconds ?? 0) * 1000;
    host.sleepMs(Math.max(0, Math.min(settledMs, untilMs) - host.uptimeMs()));
  }
  const began = host.uptimeMs();
  const resultOf = ({ healthy, message }: Attempt, attempts: number): HealthResult => {
    return { name: check.name, healthy, attempts, milliseconds: Math.round(host.uptimeMs() - began), message };
  };
  let last: Attempt = { healthy: false, message: "no time was left for it" };
  for (let attempts = 0; ;) {
    const leftSeconds = (untilMs - host.uptimeMs()) / 1000;
    if (leftSeconds <= 0) return resultOf(last, attempts);
    last = attempt(host, { ...check, timeoutSeconds: Math.min(check.timeoutSeconds, leftSeconds) });
    attempts++;
    if (last.healthy || attempts > check.retries) return resultOf(last, attempts);
    host.sleepMs(Math.max(0, Math.min(check.intervalSeconds * 1000, untilMs - host.uptimeMs())));
  }
}

function attempt(host: Host, check: HealthCheck): Attempt {
  switch (check.kind) {
    case "unit":
      return unitAttempt(host, check.unit, check.timeoutSeconds);
    case "command":
      return commandAttempt(host, check.command, check.timeoutSeconds);
    case "tcp":
      return tcpAttempt(host, check.host, check.port, check.timeoutSeconds);
    case "http":
      return httpAttempt(host, check);
    case "dns":
      return dnsAttempt(host, check, check.timeoutSeconds);
    case "file":
      return fileAttempt(host, check, check.timeoutSeconds);
    case "disk":
      return diskAttempt(host, check, check.timeoutSeconds);
    case "memory":
      return memoryAttempt(host, check.available);
  }
}

function unitAttempt(host: Host, unit: string, timeoutSeconds: number): Attempt {
  const { stdout } = host.run(["systemctl", "is-active", unit], { timeoutSeconds });
  const state = stdout.trim();
  return {
    healthy: state === "active" || state === "reloading",
    message: `${unit} is ${state === "" ? "unknown" : state}`,
  };
}

function commandAttempt(host: Host, command: readonly string[], timeoutSeconds: number): Attempt {
  const { code, stdout, stderr } = host.run(command, { timeoutSeconds });
  if (code === 124) return { healthy: false, message: `no end after ${timeoutSeconds} s` };
  return judgeExit(code, { stdout, stderr });
}

function tcpAttempt(host: Host, address: string, port: number, timeoutSeconds: number): Attempt {
  const { code } = connect(host, { address, port, timeoutSeconds, request: "" });
  if (code === 0) return { healthy: true, message: `${address}:${port} accepts connections` };
  return {
    healthy: false,
    message: code === 124 ? `no answer after ${timeoutSeconds} s` : `${address}:${port} refuses`,
  };
}

interface Connection {
  readonly address: string;
  readonly port: number;
  readonly timeoutSeconds: number;
  readonly request: string;
}

/** Tries the addresses of a name in turn, as programs do, until one accepts. */
function connect(host: Host, { address, port, timeoutSeconds, request }: Connection): CommandResult {
  const deadline = host.uptimeMs() + timeoutSeconds * 1000;
  let result: CommandResult = { code: 1, stdout: "", stderr: "" };
  for (const numeric of addressesOf(host, address)) {
    const seconds = Math.max(1, (deadline - host.uptimeMs()) / 1000);
    result = connectTo(host, { address: numeric, port, timeoutSeconds: seconds, request });
    if (result.code === 0 || result.stdout !== "" || host.uptimeMs() >= deadline) break;
  }
  return result;
}

/** Names are resolved by the host's C library: a static program must not load its modules. */
function addressesOf(host: Host, name: string): string[] {
  if (name === "localhost") return ["127.0.0.1", "::1"];
  if (/^[0-9.]+$/.test(name) || name.includes(":")) return [name];
  const { stdout } = host.run(["getent", "ahosts", name], { timeoutSeconds: 10 });
  const found = stdout.split("\n").flatMap((line) => line.split(/\s+/, 1));
  const addresses = [...new Set(found.filter((address) => address !== ""))];
  return addresses.length === 0 ? [name] : addresses;
}

/** Connects, sends the request if there is one, and reads the answer until the peer closes. */
function connectTo(host: Host, { address, port, timeoutSeconds, request }: Connection): CommandResult {
  const busybox = host.which("busybox");
  if (busybox !== undefined) {
    const nc = [...busybox, "nc", "-w", String(Math.ceil(timeoutSeconds)), address, String(port)];
    if (request === "") return host.run([...nc, "-e", ...busybox, "true"], { timeoutSeconds });
    // Our side stays open: some servers drop a request whose sender has closed its half.
    return host.run(nc, { timeoutSeconds, heldStdin: request });
  }
  const script = 'exec 3<>"/dev/tcp/$1/$2" || exit 1; [ -z "$3" ] || { printf %s "$3" >&3; cat <&3; }';
  return host.run(["bash", "-c", script, "connect", address, String(port), request], { timeoutSeconds });
}

function dnsAttempt(host: Host, wish: DnsWish, timeoutSeconds: number): Attempt {
  const { query, server } = wish;
  const busybox = server === undefined ? undefined : host.which("busybox");
  if (server !== undefined && busybox === undefined) {
    return { healthy: false, message: "there is no busybox to ask a server with" };
  }
  const command =
    busybox === undefined ? ["getent", "ahosts", query] : [...busybox, "nslookup", query, server as string];
  const { code, stdout } = host.run(command, { timeoutSeconds });
  if (code === 124) return { healthy: false, message: `no answer about ${query} after ${timeoutSeconds} s` };
  const found =
    busybox === undefined
      ? stdout.split("\n").flatMap((line) => line.split(/\s+/, 1))
      : // The server's own address comes first, before the first empty line.
        [...stdout.slice(stdout.indexOf("\n\n")).matchAll(/^Address(?: \d+)?:\s*(\S+)/gm)].map(([, one = ""]) => one);
  return judgeAddresses(wish, [...new Set(found.filter((address) => address !== ""))]);
}

type HttpCheck = HttpWish & { readonly timeoutSeconds: number };

function httpAttempt(host: Host, check: HttpCheck): Attempt {
  const response = fetchUrl(host, check);
  if (typeof response === "string") return { healthy: false, message: response };
  return judgeResponse(check, response);
}

/** The response, or why there is none. */
function fetchUrl(host: Host, check: HttpCheck): HttpResponse | string {
  const url = /^(https?):\/\/(\[[^\]]+\]|[^/:?#]+)(?::(\d+))?([^#]*)/.exec(check.url);
  if (url === null) return `'${check.url}' is no http URL`;
  const [, scheme, name = "", port, rest = ""] = url;
  const isTls = scheme === "https";
  if (isTls || (host.which("busybox") === undefined && host.which("curl") !== undefined)) return curl(host, check);
  const path = rest.startsWith("/") ? rest : `/${rest}`;
  const headers = requestHeadersOf(check, `${name}${port === undefined ? "" : `:${port}`}`);
  const request = [`${check.method ?? "GET"} ${path} HTTP/1.0`, ...headers, "", ""].join("\r\n");
  const address = name.replace(/^\[|\]$/g, "");
  const { timeoutSeconds } = check;
  const { code, stdout } = connect(host, { address, port: Number(port ?? 80), timeoutSeconds, request });
  const response = parseResponse(stdout);
  if (response !== undefined) return response;
  if (code === 124) return `no answer after ${timeoutSeconds} s`;
  return code === 0 ? "the answer is no HTTP" : `${name}:${port ?? 80} refuses connections`;
}

/** The lines of the request's head; what is declared replaces what we would say. */
function requestHeadersOf(check: HttpCheck, host: string): string[] {
  const headers = new Map([
    ["host", `Host: ${host}`],
    ["user-agent", "User-Agent: pristine"],
    ["accept", "Accept: */*"],
    ["connection", "Connection: close"],
  ]);
  if (check.method === "POST") headers.set("content-length", "Content-Length: 0");
  for (const [name, value] of Object.entries(check.requestHeaders ?? {}))
    headers.set(name.toLowerCase(), `${name}: ${value}`);
  return [...headers.values()];
}

function parseResponse(text: string): HttpResponse | undefined {
  const status = /^HTTP\/[\d.]+ (\d{3})/.exec(text)?.[1];
  if (status === undefined) return undefined;
  const end = text.indexOf("\r\n\r\n");
  // What a proxy or the server says before the answer itself.
  const rest = end < 0 ? "" : text.slice(end + 4);
  if (status.startsWith("1") && rest !== "") return parseResponse(rest);
  const [, ...lines] = text.slice(0, end < 0 ? text.length : end).split("\r\n");
  const headers = lines.flatMap((line) => {
    const colon = line.indexOf(":");
    return colon < 0 ? [] : [[line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const];
  });
  return { status: Number(status), headers, body: rest.slice(0, TEXT_CHARS_MAX) };
}

function curl(host: Host, check: HttpCheck): HttpResponse | string {
  if (host.which("curl") === undefined) return "an https check needs 'curl' in the host's packages";
  const method = check.method ?? "GET";
  const command = [
    "curl",
    "--silent",
    "--show-error",
    "--include",
    "--suppress-connect-headers",
    ["--max-time", String(check.timeoutSeconds)],
    method === "HEAD" ? ["--head"] : ["--request", method],
    Object.entries(check.requestHeaders ?? {}).flatMap(([name, value]) => ["--header", `${name}: ${value}`]),
    "--",
    check.url,
  ].flat();
  const { code, stdout, stderr } = host.run(command, { timeoutSeconds: check.timeoutSeconds + 1 });
  // What follows its first line is advice.
  if (code !== 0) return stderr.trim().split("\n")[0] || `curl failed (${code})`;
  return parseResponse(stdout) ?? "the answer is no HTTP";
}
