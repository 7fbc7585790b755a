/** What `pristine init --from` is given: ssh hosts, inventories of Ansible, hives and flakes, told apart by what they are. */

import { basename, join } from "node:path";
import { OperationError } from "../../base/errors.ts";
import { exists, isDirectory } from "../../system/files.ts";
import type { SshTarget } from "../inventory.ts";
import { nameOf, requireName, targetProblem } from "./found-host.ts";

export type Source =
  | { readonly kind: "ssh"; readonly name: string; readonly target: SshTarget }
  | { readonly kind: "ansible"; readonly file: string }
  /** What `adopt` of a fleet file takes over by this key, unchanged. */
  | { readonly kind: "colmena" | "flake"; readonly file: string };

const WRITE_INSTEAD =
  "write [NAME=][USER@]ADDRESS[:PORT] for a host, ./FILE for an Ansible inventory, ./hive.nix for a hive, ./DIRECTORY for a flake";
/** As much of a word as can be an address for ssh: a path has slashes. */
const BARE = /^[a-zA-Z0-9_][a-zA-Z0-9_-]*(?:\.[a-zA-Z0-9_-]+)*$/;
const FILE_NAME = /\.(?:nix|ya?ml|json|ini|cfg|toml|txt)$/;

export async function sourceOf(text: string): Promise<Source> {
  if (!(await exists(text))) return sshHost(text);
  if (BARE.test(text) && !FILE_NAME.test(text)) {
    throw unknown(
      text,
      "is a path here, and could be a host as well",
      `write ./${text} for the path, or ssh://${text} for the host`,
    );
  }
  if (await isDirectory(text)) return await directory(text);
  const name = basename(text);
  if (name === "flake.nix") return { kind: "flake", file: text };
  if (name === "hive.nix") return { kind: "colmena", file: text };
  if (name.endsWith(".nix")) {
    throw unknown(
      text,
      "is called neither hive.nix nor flake.nix, so it is not known which tool it is for",
      "write a fleet.nix that says so: adopt = [ { colmena = ./FILE; } ], or morph or nixosConfigurations",
    );
  }
  return { kind: "ansible", file: text };
}

async function directory(text: string): Promise<Source> {
  const [flake, hive] = [join(text, "flake.nix"), join(text, "hive.nix")];
  const [hasFlake, hasHive] = [await exists(flake), await exists(hive)];
  if (hasFlake && hasHive) throw unknown(text, "has a flake.nix and a hive.nix", `write ${flake} or ${hive}`);
  if (hasFlake) return { kind: "flake", file: flake };
  if (hasHive) return { kind: "colmena", file: hive };
  throw unknown(
    text,
    "is a directory without a flake.nix or a hive.nix",
    "of Ansible, name the file with the inventory",
  );
}

/** `[NAME=][ssh://][USER@]ADDRESS[:PORT]`; an IPv6 address with a port stands in brackets. */
function sshHost(text: string): Source {
  const [, given, rest = ""] = /^(?:([^=@/]+)=)?(.*)$/s.exec(text) ?? [];
  const [, scheme, user, inBrackets, plain = "", digits] =
    /^(ssh:\/\/)?(?:([^@/]+)@)?(?:\[([^\]/]+)\]|([^:/[\]]+|[^/[\]]*:[^/[\]]*:[^/[\]]*))(?::(\d+))?\/?$/.exec(rest) ??
    [];
  const host = inBrackets ?? plain;
  if (host === "" || (scheme === undefined && (rest.endsWith("/") || FILE_NAME.test(rest)))) {
    throw unknown(text, "is no file or directory here, and no address for ssh", WRITE_INSTEAD);
  }
  const target = {
    host,
    ...(user === undefined ? {} : { user }),
    ...(digits === undefined ? {} : { port: Number(digits) }),
  };
  const problem = targetProblem(target);
  if (problem !== undefined) throw unknown(text, `is no source: ${problem.message}`, WRITE_INSTEAD);
  const name =
    given === undefined ? nameOf(host, text, `write NAME=${text}`) : requireName(given, text, "write such a NAME=");
  return { kind: "ssh", name, target };
}

function unknown(text: string, why: string, hint: string): OperationError {
  return new OperationError("INIT_SOURCE_UNKNOWN", `${text} ${why}`, { hint });
}
