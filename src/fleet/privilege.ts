/**
 * Becoming root on a host as another user: by sudo, doas, run0 or a command that the fleet names.
 *
 * sudo may want a password. It is asked for once for all hosts, goes to each over the standard input of ssh, and is
 * neither written down nor an argument of any program.
 */

import { randomBytes } from "node:crypto";
import { OperationError } from "../base/errors.ts";
import type { ProcessOutcome } from "../system/process.ts";
import { INSTALLED_KIT } from "./host-kit.ts";
import type { Command } from "./ssh.ts";

/** `deployment.target.privilegeEscalation`: one that is known, or words before the command. */
export type PrivilegeEscalation = "sudo" | "doas" | "run0" | "restricted" | readonly [string, ...string[]];

const WORDS: Readonly<Record<"sudo" | "doas" | "run0", readonly [string, ...string[]]>> = {
  sudo: ["sudo", "-n", "--"],
  doas: ["doas", "-n", "--"],
  run0: ["run0", "--no-ask-password", "--"],
};

/** Makes of a command one that runs as root. */
export type AsRoot = (command: Command) => Command;

const wrongPassword = (address: string): OperationError =>
  new OperationError("SUDO_PASSWORD_WRONG", `sudo on ${address} does not take the password`, {
    hint: "the same password is used for all hosts of a command; deploy hosts with another one by themselves",
  });

/**
 * The password for sudo: asked for when the first host needs it, tried there, and used for all. While no host has taken
 * it, one is tried at a time, since too many wrong passwords lock an account.
 */
export class SudoPassword {
  readonly #ask: (question: string) => Promise<string | undefined>;
  /** Given, and neither right nor wrong so far. */
  #untried: string | undefined;
  #right: string | undefined;
  #wrongCount = 0;
  #trying: Promise<unknown> | undefined;

  /** `ask` answers undefined where there is nobody to ask. */
  constructor(ask: (question: string) => Promise<string | undefined>) {
    this.#ask = ask;
  }

  /** The password, once `isRight` has said so of it; what that throws is this host's failure alone. */
  async get(user: string, address: string, isRight: (password: string) => Promise<boolean>): Promise<string> {
    while (this.#right === undefined) {
      if (this.#trying === undefined) {
        const found = this.#find(user, address, isRight);
        this.#trying = found;
        try {
          return await found;
        } finally {
          this.#trying = undefined;
        }
      }
      await this.#trying.catch(() => undefined);
    }
    if (!(await isRight(this.#right))) throw wrongPassword(address);
    return this.#right;
  }

  async #find(user: string, address: string, isRight: (password: string) => Promise<boolean>): Promise<string> {
    while (this.#wrongCount < TRIES_MAX) {
      const again = this.#wrongCount === 0 ? "" : "That was not it. ";
      this.#untried ??= await this.#ask(`${again}Password of ${user} for sudo (on ${address}): `);
      const password = this.#untried;
      if (password === undefined) {
        throw new OperationError("HOST_NOT_ROOT", `sudo on ${address} wants ${user}'s password`, {
          hint: "run this on a terminal to be asked for it, name a file with it (--sudo-password-file), or let the user sudo without one",
        });
      }
      const took = await isRight(password);
      this.#untried = undefined;
      if (took) return (this.#right = password);
      this.#wrongCount++;
    }
    throw wrongPassword(address);
  }
}

const TRIES_MAX = 3;

interface Host {
  readonly address: string;
  readonly user: string;
  /** Runs a command as the user itself. */
  readonly run: (command: Command) => Promise<ProcessOutcome>;
  readonly password: SudoPassword | undefined;
}

/** Finds out how `user` becomes root on a host; throws when there is no way. */
export async function findWayToRoot(escalation: PrivilegeEscalation, host: Host): Promise<AsRoot> {
  if (escalation === "restricted") return await findGate(host);
  const words = typeof escalation === "string" ? WORDS[escalation] : escalation;
  const before: AsRoot = (command) => ({ ...command, argv: [...words, ...command.argv] });
  const tried = await host.run(inPlainEnglish(before({ argv: ["true"] })));
  if (tried.code === 0) return before;
  const said = tried.stderr.toString("utf8").trim();
  if (escalation !== "sudo" || host.password === undefined || !/a password is required/.test(said)) {
    throw refusal(escalation, host, tried.code, said);
  }
  const isRight = async (password: string): Promise<boolean> => {
    const outcome = await host.run(inPlainEnglish(withPassword(password)({ argv: ["true"] })));
    if (outcome.code === 0) return true;
    const answer = outcome.stderr.toString("utf8").trim();
    if (/incorrect password|try again|no password was provided/i.test(answer)) return false;
    throw refusal(escalation, host, outcome.code, answer);
  };
  return withPassword(await host.password.get(host.user, host.address, isRight));
}

const GATE = ["sudo", "-n", "--", `${INSTALLED_KIT}/bin/pristine-kit`, "gate"] as const;

/** The way of a restricted user: what the kit does goes through its gate, and the store's daemon is asked as oneself. */
async function findGate(host: Host): Promise<AsRoot> {
  const tried = await host.run(inPlainEnglish({ argv: [...GATE, "status"] }));
  if (tried.code !== 0) throw refusal("sudo", host, tried.code, tried.stderr.toString("utf8").trim());
  return (command) => {
    const [program, ...args] = command.argv;
    if (program.endsWith("/bin/pristine-kit")) return { ...command, argv: [...GATE, ...args] };
    if (program === "nix-daemon") return command;
    throw new OperationError(
      "HOST_NOT_ROOT",
      `${host.user} on ${host.address} may deploy, and not run '${program}' as root`,
      {
        hint: "log in as another user for that (deployment.target.user)",
      },
    );
  };
}

/** What is read away on the host before the command gets its input: the password too, where sudo did not want it. */
const SKIP = 'while IFS= read -r line && [ "$line" != "$0" ]; do :; done; exec "$@"';

function withPassword(password: string): AsRoot {
  return ({ argv, stdin = "" }) => {
    const mark = randomBytes(16).toString("hex");
    return {
      argv: ["sudo", "-k", "-S", "-p", "", "--", "sh", "-c", SKIP, mark, ...argv],
      stdin: Buffer.concat([Buffer.from(`${password}\n${mark}\n`), Buffer.from(stdin)]),
    };
  };
}

/** What these programs say is understood in one language only. */
function inPlainEnglish({ argv, stdin }: Command): Command {
  return { argv: ["env", "LC_ALL=C", ...argv], ...(stdin === undefined ? {} : { stdin }) };
}

/** What it means that a user does not become root. */
function refusal(
  escalation: PrivilegeEscalation,
  { address, user }: Host,
  code: number | undefined,
  said: string,
): OperationError {
  const program = typeof escalation === "string" ? escalation : escalation[0];
  const error = (what: string, hint: string): OperationError =>
    new OperationError("HOST_NOT_ROOT", `${user} on ${address} is not root and does not become it: ${what}`, { hint });
  const other = "let deployment.target.user be root, or set deployment.target.privilegeEscalation to what the host has";
  if (code === 126 || code === 127) return error(`there is no ${program}`, other);
  if (/must have a tty/.test(said)) {
    return error("sudo wants a terminal, which no deployment has", `add 'Defaults:${user} !requiretty' to its sudoers`);
  }
  const [last = "it said nothing"] = said.split("\n").slice(-1);
  if (program === "sudo") return error(last, "let that user sudo, or let deployment.target.user be root");
  if (program === "doas") {
    return error(last, `doas asks for passwords on terminals only: add 'permit nopass ${user}' to /etc/doas.conf`);
  }
  if (program === "run0") {
    return error(last, "let a rule of polkit allow org.freedesktop.systemd1.manage-units to that user without asking");
  }
  return error(last, other);
}
