/**
 * The command that runs a builder in its sandbox: bubblewrap, with the surroundings that Nix gives.
 *
 * The builder sees a root directory of its own, of the store only its inputs and what it makes, no network unless its
 * output is fixed, and is process 1 of user 1000, group 100, on the machine `localhost`.
 */

import { textOfByteString } from "../base/byte-string.ts";
import { OperationError } from "../base/errors.ts";

/** What the sandbox shows of the world, at places that both sides agree on. */
export const SANDBOX_UID = 1000;
export const SANDBOX_GID = 100;
export const SANDBOX_BUILD_DIR = "/build";

export interface SandboxInput {
  readonly onDisk: string;
  readonly inside: string;
  /** A link is made anew: binding would follow it. */
  readonly linkTarget?: string | undefined;
}

export interface SandboxSpec {
  readonly bwrap: string;
  /** The directory that becomes `/`; outputs appear in it. */
  readonly rootDir: string;
  readonly buildDir: string;
  readonly inputs: readonly SandboxInput[];
  readonly builder: string;
  readonly args: readonly string[];
  readonly env: ReadonlyMap<string, string>;
  readonly network: boolean;
  /** Files of this machine that a builder with network needs, such as `/etc/resolv.conf`. */
  readonly networkFiles: readonly string[];
  readonly seccomp: Uint8Array;
}

export interface SandboxCommand {
  readonly argv: readonly string[];
  /** Read by bubblewrap from descriptors 3 and 4. */
  readonly inputs: readonly Uint8Array[];
}

const ARGS_FD = 3;
const SECCOMP_FD = 4;

export function sandboxCommand(spec: SandboxSpec): SandboxCommand {
  const options = ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts"];
  if (!spec.network) options.push("--unshare-net");
  options.push("--uid", String(SANDBOX_UID), "--gid", String(SANDBOX_GID), "--hostname", "localhost");
  options.push("--die-with-parent", "--as-pid-1");
  options.push("--bind", spec.rootDir, "/", "--bind", spec.buildDir, SANDBOX_BUILD_DIR);
  options.push("--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm", "--dev-bind-try", "/dev/kvm", "/dev/kvm");
  options.push("--proc", "/proc");
  for (const { onDisk, inside, linkTarget } of spec.inputs) {
    if (linkTarget === undefined) options.push("--ro-bind", onDisk, inside);
    else options.push("--symlink", linkTarget, inside);
  }
  for (const file of spec.networkFiles) options.push("--ro-bind-try", file, file);
  options.push("--seccomp", String(SECCOMP_FD), "--chdir", SANDBOX_BUILD_DIR);
  // The variables go through a pipe: they could change how bubblewrap itself is loaded, and they may be large.
  const variables: string[] = ["--clearenv"];
  for (const [name, value] of spec.env) variables.push("--setenv", name, value);
  const paths = Buffer.from(options.map((option) => `${option}\0`).join(""));
  const environment = Buffer.from(variables.map((option) => `${option}\0`).join(""), "latin1");
  const words = [spec.builder, ...spec.args].map(argumentText);
  return {
    argv: [spec.bwrap, "--args", String(ARGS_FD), "--", ...words],
    inputs: [Buffer.concat([paths, environment]), spec.seccomp],
  };
}

/** Arguments are byte strings; programs can only be started with text. */
function argumentText(bytes: string): string {
  const text = textOfByteString(bytes);
  if (Buffer.from(text, "utf8").equals(Buffer.from(bytes, "latin1"))) return text;
  throw new OperationError("BUILDER_ARGUMENT_INVALID", "an argument of the builder is not valid UTF-8");
}
