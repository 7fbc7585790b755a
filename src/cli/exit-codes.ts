/** What a command's exit status means; the same for all commands, and listed in each one's help. */

export const EXIT = {
  /** Everything is as wanted. */
  ok: 0,
  /** A usage or evaluation error, or what was to be built was not: no host was touched. */
  usage: 1,
  /** Some hosts failed, were rolled back or differ from what is wanted. */
  hostsFailed: 2,
  /** Nothing could start: another deployment holds the lock, a program is missing, or permission is lacking. */
  cannotStart: 3,
  /** Ended by Ctrl-C or SIGTERM. */
  interrupted: 130,
} as const;

const CANNOT_START = new Set([
  "HOST_LOCKED",
  "NOT_ROOT",
  "PROGRAM_MISSING",
  "PACKAGES_MISSING",
  "NO_PERMISSION",
  "SANDBOX_MISSING",
  "SANDBOX_FAILED",
  "LOCK_HELD",
  "DATABASE_BUSY",
  "LAB_COLLISION",
]);

/** The exit status for an error that ended a command. */
export function exitCodeOf(error: unknown): number {
  const code = (error as { code?: unknown } | undefined)?.code;
  if ((error as Error | undefined)?.name === "AbortError" || code === "INTERRUPTED" || code === "ABORT_ERR")
    return EXIT.interrupted;
  if (typeof code !== "string") return EXIT.usage;
  if (CANNOT_START.has(code)) return EXIT.cannotStart;
  return /^(?:HOST|KIT)_/.test(code) && code !== "HOST_UNKNOWN" ? EXIT.hostsFailed : EXIT.usage;
}

/** The section about exit codes in a command's help. */
export function exitCodesHelp(codes: Partial<Record<keyof typeof EXIT, string>>): string {
  const lines = Object.entries(codes).map(
    ([name, meaning]) => `  ${String(EXIT[name as keyof typeof EXIT]).padEnd(4)}${meaning}`,
  );
  return `\nExit status:\n${lines.join("\n")}`;
}
