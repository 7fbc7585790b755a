/**
 * Running health checks on the host.
 *
 * QuickJS has no sockets. HTTP and TCP go through the busybox that the kit carries (`nc`), so that a check needs nothing
 * of the host's closure; without it through the host's own `curl`, or through bash's `/dev/tcp`. https needs `curl`.
 */

import type { HealthCheck, HealthResult } from "../machine/health-check.ts";
import type { CommandResult, Host } from "./host.ts";

/** Of a response, this much is looked at. */
const BODY_CHARS_MAX = 1024 * 1024;

interface Attempt {
  readonly healthy: boolean;
  readonly message: string;
}

export function runHealthChecks(
  host: Host,
  checks: readonly HealthCheck[],
  onResult: (result: HealthResult) => void,
): HealthResult[] {
  return checks.map((check) => {
    const result = runHealthCheck(host, check);
    onResult(result);
    return result;
  });
}

function runHealthCheck(host: Host, check: HealthCheck): HealthResult {
  const began = host.uptimeMs();
  let attempts = 0;
  for (;;) {
    const { healthy, message } = attempt(host, check);
    attempts++;
    if (healthy || attempts > check.retries) {
      return { name: check.name, healthy, attempts, milliseconds: Math.round(host.uptimeMs() - began), message };
    }
    host.sleepMs(check.intervalSeconds * 1000);
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
  if (code === 0) return { healthy: true, message: "exit 0" };
  const detail = (stderr.trim() === "" ? stdout : stderr).trim().split("\n").at(-1) ?? "";
  return { healthy: false, message: code === 124 ? `no end after ${timeoutSeconds} s` : `exit ${code}: ${detail}` };
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

type HttpCheck = HealthCheck & { readonly kind: "http" };

interface Response {
  readonly status: number;
  readonly body: string;
}

function httpAttempt(host: Host, check: HttpCheck): Attempt {
  const response = fetchUrl(host, check);
  if (typeof response === "string") return { healthy: false, message: response };
  const { status, body } = response;
  const isWanted = check.status === undefined ? status >= 200 && status < 400 : status === check.status;
  if (!isWanted)
    return { healthy: false, message: `status ${status}${check.status === undefined ? "" : `, not ${check.status}`}` };
  if (check.body !== undefined && !body.includes(check.body)) {
    return { healthy: false, message: `status ${status}, but the body does not contain '${check.body}'` };
  }
  return { healthy: true, message: `status ${status}` };
}

/** The response, or why there is none. */
function fetchUrl(host: Host, check: HttpCheck): Response | string {
  const url = /^(https?):\/\/(\[[^\]]+\]|[^/:?#]+)(?::(\d+))?([^#]*)/.exec(check.url);
  if (url === null) return `'${check.url}' is no http URL`;
  const [, scheme, name = "", port, rest = ""] = url;
  const isTls = scheme === "https";
  if (isTls || (host.which("busybox") === undefined && host.which("curl") !== undefined)) return curl(host, check);
  const path = rest.startsWith("/") ? rest : `/${rest}`;
  const request = [
    `GET ${path} HTTP/1.0`,
    `Host: ${name}${port === undefined ? "" : `:${port}`}`,
    "User-Agent: pristine",
    "Accept: */*",
    "Connection: close",
    "",
    "",
  ].join("\r\n");
  const address = name.replace(/^\[|\]$/g, "");
  const { timeoutSeconds } = check;
  const { code, stdout } = connect(host, { address, port: Number(port ?? 80), timeoutSeconds, request });
  const response = parseResponse(stdout);
  if (response !== undefined) return response;
  if (code === 124) return `no answer after ${timeoutSeconds} s`;
  return code === 0 ? "the answer is no HTTP" : `${name}:${port ?? 80} refuses connections`;
}

function parseResponse(text: string): Response | undefined {
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(text);
  if (status === null) return undefined;
  const end = text.indexOf("\r\n\r\n");
  return { status: Number(status[1]), body: end < 0 ? "" : text.slice(end + 4, end + 4 + BODY_CHARS_MAX) };
}

function curl(host: Host, check: HttpCheck): Response | string {
  if (host.which("curl") === undefined) return "an https check needs 'curl' in the host's packages";
  const command = [
    "curl",
    "--silent",
    "--show-error",
    "--max-time",
    String(check.timeoutSeconds),
    "--write-out",
    "\n%{http_code}",
  ];
  const { code, stdout, stderr } = host.run([...command, "--", check.url], {
    timeoutSeconds: check.timeoutSeconds + 1,
  });
  if (code !== 0) return stderr.trim().split("\n").at(-1) ?? `curl failed (${code})`;
  const end = stdout.lastIndexOf("\n");
  return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, Math.min(end, BODY_CHARS_MAX)) };
}
