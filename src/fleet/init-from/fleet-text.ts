/** The text of a fleet file for what was found. Text of others becomes strings and comments that hold together. */

import { basename, dirname, relative, resolve } from "node:path";
import { safeText } from "../../base/safe-text.ts";
import { renderCount } from "../../base/quantities.ts";
import { nixString } from "../inventory.ts";
import type { Declaration } from "./declaration.ts";

/** What the fleet takes over from another tool's file. */
export interface Adopted {
  readonly kind: "colmena" | "flake";
  readonly file: string;
  readonly hosts: readonly string[];
  /** Hosts of it that are none here, with the reason. */
  readonly left: readonly { readonly name: string; readonly reason: string }[];
}

export interface FleetParts {
  /** What `--from` was given. */
  readonly sources: readonly string[];
  readonly adopted: readonly Adopted[];
  readonly hosts: readonly Declaration[];
  /** What was not read, with its place. */
  readonly notes: readonly string[];
}

const NAME_LENGTH_MAX = 32;
const LINE_LENGTH_MAX = 118;
const KEYWORDS = ["if", "then", "else", "assert", "with", "let", "in", "rec", "inherit", "or"];

export function fleetText(fleetFile: string, { sources, adopted, hosts, notes }: FleetParts): string {
  const declaresOwn = adopted.length === 0 || hosts.length > 0;
  const lines = [
    ...comment(`Made from ${sources.join(", ")} by 'pristine init'; it is yours from now on.`),
    ...notes.flatMap((note) => comment(note)),
    "{",
    `  meta.name = ${nixString(fleetName(fleetFile))};`,
    ...(adopted.length === 0 ? [] : adoptLines(fleetFile, adopted)),
    ...(declaresOwn ? hostLines(hosts) : []),
    "}",
  ];
  return `${lines.join("\n")}\n`;
}

/** A fleet is called as its directory, as far as such a name can be a fleet's. */
function fleetName(fleetFile: string): string {
  const name = basename(dirname(resolve(fleetFile)))
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-/, "");
  return name.slice(0, NAME_LENGTH_MAX).replace(/-$/, "") || "fleet";
}

function adoptLines(fleetFile: string, adopted: readonly Adopted[]): string[] {
  return [
    "",
    "  # Taken over as they are: 'pristine adopt' shows what becomes of what they set.",
    "  adopt = [",
    ...adopted.flatMap(({ kind, file, hosts, left }) => [
      ...comment(`${renderCount(hosts.length, "host")}: ${hosts.join(", ")}.`, "    "),
      ...left.flatMap(({ name, reason }) => comment(`Not ${name}: ${reason}.`, "    ")),
      `    { ${kind} = ${nixPath(relative(dirname(resolve(fleetFile)), resolve(kind === "flake" ? dirname(file) : file)))}; }`,
    ]),
    "  ];",
  ];
}

function hostLines(hosts: readonly Declaration[]): string[] {
  const usesSsh = hosts.some(({ target }) => target.user === undefined || target.port === undefined);
  return [
    "",
    ...(usesSsh ? comment("Where `user' or `port' is null, your ssh configuration says it.", "  ") : []),
    "  hosts = {",
    ...hosts.flatMap((host, index) => [...(index === 0 ? [] : [""]), ...hostText(host)]),
    "  };",
  ];
}

function hostText(host: Declaration): string[] {
  const about = [`${host.summary[0]!.toUpperCase()}${host.summary.slice(1)} (${host.origin}).`, ...host.notes];
  const module = [`${nixName(host.name)} = {`, ...moduleLines(host).map((line) => `  ${line}`), "};"];
  const isDeclared = host.base !== null;
  return [
    ...about.flatMap((text) => comment(text, "    ")),
    ...module.map((line) => `    ${isDeclared ? "" : "# "}${line}`),
  ];
}

function moduleLines(host: Declaration): string[] {
  const { target, base, tags, architecture, privilegeEscalation, admitted } = host;
  const { sshOptions = [] } = target;
  const isRoot = admitted?.user === "root";
  return [
    ...(base === null ? [] : [`deployment.base = ${nixString(base)};`]),
    "deployment.target = {",
    `  host = ${nixString(target.host)};`,
    `  user = ${target.user === undefined ? "null" : nixString(target.user)};`,
    `  port = ${target.port ?? "null"};`,
    ...(sshOptions.length === 0 ? [] : [`  sshOptions = ${nixList(sshOptions)};`]),
    ...(privilegeEscalation === undefined
      ? []
      : [`  privilegeEscalation = ${nixString(String(privilegeEscalation))};`]),
    "};",
    ...(tags.length === 0 ? [] : [`deployment.tags = ${nixList(tags)};`]),
    ...(architecture === undefined ? [] : [`system.architecture = ${nixString(architecture)};`]),
    ...(admitted === undefined
      ? []
      : [
          ...comment("The keys that let you in now."),
          `users.users.${nixName(admitted.user)} = {`,
          ...(isRoot ? [] : ["  isNormalUser = true;"]),
          "  openssh.authorizedKeys.keys = [",
          ...admitted.keys.map((key) => `    ${nixString(safeText(key))}`),
          "  ];",
          "};",
        ]),
  ];
}

/** A comment over as many lines as it takes; nothing in a text ends it. */
function comment(text: string, indent: string = ""): string[] {
  const lines: string[] = [];
  for (const word of safeText(text).split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < LINE_LENGTH_MAX) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`${indent}# ${word}`);
  }
  return lines;
}

function nixName(name: string): string {
  return /^[a-zA-Z_][a-zA-Z0-9_-]*$/.test(name) && !KEYWORDS.includes(name) ? name : nixString(name);
}

function nixList(texts: readonly string[]): string {
  return `[ ${texts.map(nixString).join(" ")} ]`;
}

/** A path from where the fleet file lies; one with other characters than a path of Nix's has is put together. */
function nixPath(path: string): string {
  const plain = path === "" ? "./." : path.startsWith("../") ? path : path === ".." ? "../." : `./${path}`;
  return /^[a-zA-Z0-9._+/-]+$/.test(plain) ? plain : `(./. + ${nixString(`/${path}`)})`;
}
