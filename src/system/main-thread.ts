/** What the program's first thread can do: how deep its stack is, and being interrupted while it is busy. */

/** As deep as the stack of the thread that evaluates otherwise. */
const DEEP_STACK_KB = 256 * 1024;

/**
 * Whether this process was started with a deep stack. The launcher (bin/start.sh) gives `--stack-size` only after the
 * operating system has granted as much and more: V8 believes it, and a wrong one would end the process.
 */
export function hasDeepStack(): boolean {
  return process.execArgv.some((option) => {
    const [name, kilobytes] = option.split("=", 2);
    return name === "--stack-size" && Number(kilobytes) >= DEEP_STACK_KB;
  });
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Does something that keeps this thread busy, during which a signal ends the process as it does by default: listeners
 * could only be told afterwards, which may be never.
 */
export function withDefaultSignals<T>(action: () => T): T {
  const listeners = SIGNALS.map((signal) => process.rawListeners(signal) as NodeJS.SignalsListener[]);
  for (const signal of SIGNALS) process.removeAllListeners(signal);
  try {
    return action();
  } finally {
    for (const [index, signal] of SIGNALS.entries()) {
      for (const listener of listeners[index]!) process.on(signal, listener);
    }
  }
}
