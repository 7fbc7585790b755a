/** Ways to reach a Nix daemon: its socket on this machine, or a program that speaks for it, such as ssh. */

import { type DuplexProcess, openDuplex, renderExit } from "../system/process.ts";
import { connectUnix } from "../system/sockets.ts";
import { DAEMON_SOCKET } from "./store-address.ts";
import type { ByteDuplex } from "./daemon-connection.ts";
import { type DaemonSettings, DaemonStore } from "./daemon-store.ts";

/** The store behind this machine's daemon. */
export function openSocketStore(socket: string = DAEMON_SOCKET, settings?: DaemonSettings): DaemonStore {
  return new DaemonStore({
    uri: socket === DAEMON_SOCKET ? "daemon" : `unix://${socket}`,
    connect: async (signal) => {
      const stream = await connectUnix(socket, signal);
      let reason = "";
      stream.on("error", (error) => (reason = error.message));
      return {
        readable: stream,
        writable: stream,
        close: () => stream.destroy(),
        explain: () => Promise.resolve(reason),
      };
    },
    ...(settings === undefined ? {} : { settings }),
  });
}

/**
 * The store behind a program that speaks the daemon's protocol on its standard input and output, such as
 * `ssh HOST nix-daemon --stdio`.
 */
export function openCommandStore(
  uri: string,
  argv: readonly string[],
  options: {
    readonly settings?: DaemonSettings;
    readonly env?: Readonly<Record<string, string>>;
    readonly handshakeTimeoutMs?: number;
    readonly answerDeadlineMs?: number;
    readonly minorOffered?: number;
  } = {},
): DaemonStore {
  const { env, ...rest } = options;
  return new DaemonStore({
    uri,
    connect: (signal) => {
      signal.throwIfAborted();
      return Promise.resolve(programDuplex(openDuplex(argv, { extraEnv: env })));
    },
    ...rest,
  });
}

/** A connection that has died is noticed, also while nothing is sent. */
const NOTICE_LOSS = ["-oConnectTimeout=20", "-oServerAliveInterval=10", "-oServerAliveCountMax=3"];
/** How long a program may take to end once it has said its last word. */
const EXIT_DEADLINE_MS = 2_000;

/** The store of another machine, reached by the user's OpenSSH. `sshArgs` are options before the host. */
export function openSshStore(
  host: string,
  options: { readonly sshArgs?: readonly string[]; readonly settings?: DaemonSettings; readonly uri?: string } = {},
): DaemonStore {
  const { sshArgs = [], uri = `ssh-ng://${host}`, ...rest } = options;
  const argv = ["ssh", "-x", ...sshArgs, ...NOTICE_LOSS, "--", host, "nix-daemon", "--stdio"];
  return openCommandStore(uri, argv, rest);
}

/** The streams of a running program as a connection's; what it said last explains a failure. */
export function programDuplex(program: DuplexProcess): ByteDuplex {
  return {
    readable: program.readable,
    writable: program.writable,
    close: () => {
      program.readable.destroy();
      void program.close();
    },
    explain: async () => {
      const timer = setTimeout(() => void program.close(), EXIT_DEADLINE_MS);
      const status = await program.exited;
      clearTimeout(timer);
      const said = program.stderrTail().trim().split("\n").slice(-5).join("\n  ");
      const missing = status.code === 127 ? "the host has no nix-daemon program" : "";
      return [missing, said, renderExit(status)].filter((part) => part !== "").join("\n  ");
    },
  };
}
