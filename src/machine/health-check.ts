/** Health checks as data: what is declared, sent with a plan, run on the host or by the deployer, and reported. */

interface HealthCheckBase {
  readonly name: string;
  /** After the activation, the first attempt is not made before this time. */
  readonly settleSeconds?: number;
  /** A bound on one attempt. */
  readonly timeoutSeconds: number;
  /** Attempts after the first. */
  readonly retries: number;
  /** The pause between attempts. */
  readonly intervalSeconds: number;
  /** How often the host runs it by itself; never when absent. */
  readonly everySeconds?: number;
}

/** How long a check may take that has settled. */
export function secondsMaxOf({ timeoutSeconds, retries, intervalSeconds }: HealthCheckBase): number {
  return (retries + 1) * timeoutSeconds + retries * intervalSeconds;
}

/** A text, or a POSIX extended regular expression that fits a part of it. */
export type WantedText = string | { readonly matches: string };

/** So many, or this part of all. */
export type WantedAmount = { readonly count: number } | { readonly percent: number };

export interface HttpWish {
  readonly url: string;
  /** `GET` when absent. */
  readonly method?: string;
  readonly requestHeaders?: Readonly<Record<string, string>>;
  /** The wanted status; any of 200…399 when absent. */
  readonly status?: number;
  /** Headers the answer must have, a text being the whole value. */
  readonly headers?: Readonly<Record<string, WantedText>>;
  /** A text the body must contain, or what a part of it must fit. */
  readonly body?: WantedText;
}

export interface FileWish {
  readonly path: string;
  readonly exists: boolean;
  /** Octal. */
  readonly mode?: string;
  readonly user?: string;
  readonly group?: string;
  readonly contains?: WantedText;
  readonly maxAgeSeconds?: number;
}

export interface DiskWish {
  readonly mountPoint: string;
  readonly free?: WantedAmount;
  readonly inodes?: WantedAmount;
}

export interface DnsWish {
  /** The name that is looked up. */
  readonly query: string;
  readonly addresses?: readonly string[];
  readonly server?: string;
}

export type HealthCheck = HealthCheckBase &
  (
    | ({ readonly kind: "http" } & HttpWish)
    | { readonly kind: "tcp"; readonly host: string; readonly port: number }
    | ({ readonly kind: "dns" } & DnsWish)
    | { readonly kind: "unit"; readonly unit: string }
    | { readonly kind: "command"; readonly command: readonly string[] }
    | ({ readonly kind: "file" } & FileWish)
    | ({ readonly kind: "disk" } & DiskWish)
    | { readonly kind: "memory"; readonly available: WantedAmount }
  );

/** What can be asked from elsewhere than the host. */
export type DeployerCheck = Extract<HealthCheck, { readonly kind: "http" | "tcp" | "dns" | "command" }>;

export interface HealthResult {
  readonly name: string;
  /** Where it was run when not on the host. */
  readonly from?: "deployer";
  readonly healthy: boolean;
  /** Since when it is unhealthy, where the host's timers have seen it begin; ISO 8601 in UTC. */
  readonly since?: string;
  readonly attempts: number;
  readonly milliseconds: number;
  /** Why the last attempt failed, or what it saw. */
  readonly message: string;
}

const CLASSES: Readonly<Record<string, string>> = {
  alnum: "A-Za-z0-9",
  alpha: "A-Za-z",
  blank: " \\t",
  cntrl: "\\x00-\\x1f\\x7f",
  digit: "0-9",
  graph: "\\x21-\\x7e",
  lower: "a-z",
  print: "\\x20-\\x7e",
  punct: "!-\\/:-@\\[-`{-~",
  space: "\\s",
  upper: "A-Z",
  xdigit: "0-9A-Fa-f",
};

/** Whether a text is as wanted: it contains the text, or a part of it fits the expression. */
export function fits(text: string, wanted: WantedText): boolean {
  if (typeof wanted === "string") return text.includes(wanted);
  const pattern = wanted.matches.replace(/\[:([a-z]+):\]/g, (all, name: string) => CLASSES[name] ?? all);
  return new RegExp(pattern).test(text);
}

export function renderWanted(wanted: WantedText): string {
  return typeof wanted === "string" ? `'${wanted}'` : `what fits '${wanted.matches}'`;
}

export interface Attempt {
  readonly healthy: boolean;
  readonly message: string;
}

export interface HttpResponse {
  readonly status: number;
  /** By name in lower case; of several with one name each. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** Whether a response is as wanted. */
export function judgeResponse(wish: HttpWish, { status, headers, body }: HttpResponse): Attempt {
  const isWanted = wish.status === undefined ? status >= 200 && status < 400 : status === wish.status;
  if (!isWanted)
    return { healthy: false, message: `status ${status}${wish.status === undefined ? "" : `, not ${wish.status}`}` };
  for (const [name, wanted] of Object.entries(wish.headers ?? {})) {
    const values = headers.filter(([key]) => key === name.toLowerCase()).map(([, value]) => value);
    if (values.some((value) => (typeof wanted === "string" ? value === wanted : fits(value, wanted)))) continue;
    const seen = values.length === 0 ? "has no header" : `has '${values.join("', '")}' as`;
    return { healthy: false, message: `status ${status}, but the answer ${seen} ${name}, not ${renderWanted(wanted)}` };
  }
  if (wish.body !== undefined && !fits(body, wish.body)) {
    return { healthy: false, message: `status ${status}, but the body does not contain ${renderWanted(wish.body)}` };
  }
  return { healthy: true, message: `status ${status}` };
}

/** Whether the addresses that a name has are as wanted. */
export function judgeAddresses({ query, addresses: wanted = [] }: DnsWish, addresses: readonly string[]): Attempt {
  if (addresses.length === 0) return { healthy: false, message: `${query} does not resolve` };
  const missing = wanted.filter((address) => !addresses.includes(address.toLowerCase()));
  const message = `${query} is ${addresses.join(", ")}`;
  return missing.length === 0
    ? { healthy: true, message }
    : { healthy: false, message: `${message}, and not ${missing.join(", ")}` };
}

/** How a command ended: what it said last is why. */
export function judgeExit(
  code: number | undefined,
  output: { readonly stdout: string; readonly stderr: string },
): Attempt {
  if (code === 0) return { healthy: true, message: "exit 0" };
  const said = (output.stderr.trim() === "" ? output.stdout : output.stderr).trim().split("\n").at(-1) ?? "";
  return { healthy: false, message: `${code === undefined ? "killed" : `exit ${code}`}: ${said}` };
}

/** The sentence about checks that did not hold; `undefined` when all did. */
export function describeFailures(results: readonly HealthResult[]): string | undefined {
  const sick = results.filter(({ healthy }) => !healthy);
  if (sick.length === 0) return undefined;
  return sick
    .map(
      ({ name, from, message }) =>
        `health check '${name}'${from === undefined ? "" : ` from the ${from}`} failed: ${message}`,
    )
    .join("; ");
}
