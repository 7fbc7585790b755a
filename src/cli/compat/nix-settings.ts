/**
 * Nix's settings, as the compatible commands take them: from `nix.conf` and its like, `NIX_CONFIG`, `NIX_PATH`, and
 * the command line, later ones winning.
 */

import { posix } from "node:path";
import type { LintLevel, LintLevels } from "../../language/syntax/lints.ts";
import { parseNixPath } from "../../language/builtins/lookup-path.ts";
import { homeDirectory, type Environment } from "../../system/directories.ts";
import { EXPERIMENTAL_FEATURES, settingNamed, type SettingKind } from "./nix-setting-table.ts";
import { UsageError } from "./usage-error.ts";

/** A setting and its new value, as something outside of the program words them. */
export type SettingAssignment = readonly [name: string, value: string];

/** A setting of the command line. */
export interface GivenSetting {
  readonly name: string;
  readonly value: string;
  /** Given by `--option`, which only warns of values that make no sense. */
  readonly isOption?: boolean;
}

/** How settings' files are read: the text, or `undefined` when there is none. */
export type ReadText = (path: string) => string | undefined;

const INCLUDE_DEPTH_MAX = 100;

export class NixSettings {
  readonly #values = new Map<string, string>();
  readonly #unknown = new Set<string>();
  readonly #warnings: string[] = [];
  /** A lint given by its own name is not changed by the older switch. */
  #isShortPathLintGiven = false;

  /** What to tell the user, in the order Nix does: what settings say at once, unknown names at the end. */
  get warnings(): readonly string[] {
    return [...this.#warnings, ...[...this.#unknown].sort().map((name) => `unknown setting '${name}'`)];
  }

  /** Sets one; a list's `extra-NAME` adds to it. Throws `UsageError` for a value of the wrong kind. */
  set(given: string, value: string): void {
    let setting = settingNamed(given);
    let isAddition = false;
    if (setting === undefined && given.startsWith("extra-")) {
      setting = settingNamed(given.slice("extra-".length));
      isAddition = setting?.kind === "list";
      if (!isAddition) setting = undefined;
    }
    if (setting === undefined) {
      this.#unknown.add(given);
      return;
    }
    const { name, kind } = setting;
    checkValue(given, kind, value, name);
    if (name === "experimental-features") this.#warnOfUnknownFeatures(value);
    if (name === "lint-short-path-literals") this.#isShortPathLintGiven = true;
    if (name === "warn-short-path-literals") return this.#setShortPathLint(isTrue(value));
    this.#values.set(name, isAddition ? `${this.text(name)} ${value}`.trim() : value);
  }

  /** Sets what the command line says. */
  apply(given: readonly GivenSetting[]): this {
    for (const { name, value, isOption } of given) {
      try {
        this.set(name, value);
      } catch (error) {
        if (!(error instanceof UsageError) || isOption !== true) throw error;
        this.#warnings.push(error.message);
      }
    }
    return this;
  }

  isOn(name: string, otherwise = false): boolean {
    const value = this.#values.get(name);
    return value === undefined ? otherwise : isTrue(value);
  }

  text(name: string): string {
    return this.#values.get(name) ?? "";
  }

  list(name: string): readonly string[] {
    return this.text(name)
      .split(/\s+/)
      .filter((part) => part !== "");
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  get lints(): LintLevels {
    const level = (name: string): LintLevel => (this.#values.get(name) ?? "ignore") as LintLevel;
    return {
      urlLiterals: level("lint-url-literals"),
      absolutePathLiterals: level("lint-absolute-path-literals"),
      shortPathLiterals: level("lint-short-path-literals"),
    };
  }

  /** The features that are on; one of them brings another. */
  get features(): readonly string[] {
    const features = new Set(this.list("experimental-features").filter((name) => EXPERIMENTAL_FEATURES.has(name)));
    if (features.has("flakes")) features.add("fetch-tree");
    return [...features];
  }

  #warnOfUnknownFeatures(value: string): void {
    const names = value.split(/\s+/).filter((name) => name !== "" && !EXPERIMENTAL_FEATURES.has(name));
    for (const name of names.sort()) {
      this.#warnings.push(
        name === "no-url-literals"
          ? `experimental feature '${name}' has been stabilized and renamed; use 'lint-url-literals = fatal' setting instead`
          : `unknown experimental feature '${name}'`,
      );
    }
  }

  #setShortPathLint(warns: boolean): void {
    const level = warns ? "warn" : "ignore";
    this.#warnings.push(`'warn-short-path-literals' is deprecated, use 'lint-short-path-literals = ${level}' instead`);
    if (!this.#isShortPathLintGiven) this.#values.set("lint-short-path-literals", level);
  }
}

function isTrue(value: string): boolean {
  return value === "true" || value === "yes" || value === "1";
}

function checkValue(given: string, kind: SettingKind, value: string, name: string): void {
  if (kind === "boolean" && !/^(true|yes|1|false|no|0)$/.test(value)) {
    throw new UsageError(`Boolean setting '${given}' has invalid value '${value}'`);
  }
  if (kind === "lint" && !/^(ignore|warn|fatal)$/.test(value)) {
    throw new UsageError(`option '${given}' has invalid value '${value}' (expected 'ignore', 'warn', or 'fatal')`);
  }
  if (kind === "integer" && !/^\d+[KMGT]?$/.test(value) && !(name === "max-jobs" && value === "auto")) {
    throw new UsageError(`setting '${given}' has invalid value '${value}'`);
  }
}

/** The settings of this user's environment, before the command line. */
export function settingsOfEnvironment(env: Environment, readText: ReadText): NixSettings {
  const settings = new NixSettings();
  const hasNixPath = env["NIX_PATH"] !== undefined;
  const apply = (contents: string | undefined, from: string): void => {
    if (contents === undefined) return;
    const assignments = parseNixConfig(contents, from, readText);
    const isFeature = ([name]: SettingAssignment): boolean => /^(extra-)?experimental-features$/.test(name);
    // What features are on is known before anything that may need one.
    for (const [name, value] of assignments.filter(isFeature)) settings.set(name, value);
    for (const [name, value] of assignments.filter((assignment) => !isFeature(assignment))) {
      if (hasNixPath && /^(extra-)?nix-path$/.test(name)) continue;
      settings.set(name, value);
    }
  };
  for (const path of configFiles(env)) apply(readText(path), path);
  apply(env["NIX_CONFIG"], "NIX_CONFIG");
  const nixPath = env["NIX_PATH"];
  if (nixPath !== undefined) {
    const elements = parseNixPath(nixPath).map(({ prefix, path }) => (prefix === "" ? path : `${prefix}=${path}`));
    settings.set("nix-path", elements.join(" "));
  }
  return settings;
}

/** The machine's file, then the user's, the most specific last. */
function configFiles(env: Environment): readonly string[] {
  const machine = `${env["NIX_CONF_DIR"] || "/etc/nix"}/nix.conf`;
  const named = env["NIX_USER_CONF_FILES"];
  if (named !== undefined)
    return [
      machine,
      ...named
        .split(":")
        .filter((path) => path !== "")
        .reverse(),
    ];
  const own = env["NIX_CONFIG_HOME"] ?? `${env["XDG_CONFIG_HOME"] || `${homeDirectory(env)}/.config`}/nix`;
  const shared = (env["XDG_CONFIG_DIRS"] || "/etc/xdg").split(":").map((directory) => `${directory}/nix`);
  return [machine, ...[own, ...shared].reverse().map((directory) => `${directory}/nix.conf`)];
}

/** Parses the form of `nix.conf`; throws `UsageError` for a line that makes no sense. */
export function parseNixConfig(
  contents: string,
  from: string,
  readText: ReadText,
  depth = 0,
): readonly SettingAssignment[] {
  const assignments: SettingAssignment[] = [];
  for (const whole of contents.split("\n")) {
    const line = whole.replace(/#.*/s, "");
    const tokens = line.split(/[ \t\n\r]+/).filter((token) => token !== "");
    const [name, equals, ...values] = tokens;
    if (name === undefined) continue;
    const isInclude = name === "include" || name === "!include";
    if (equals === undefined || (isInclude ? values.length > 0 : equals !== "=")) {
      throw new UsageError(`syntax error in configuration line '${line}' in "${from}"`);
    }
    if (!isInclude) {
      assignments.push([name, values.join(" ")]);
      continue;
    }
    const path = posix.resolve(posix.dirname(from), equals);
    if (depth >= INCLUDE_DEPTH_MAX) throw new UsageError(`file "${path}" is included too deeply from "${from}"`);
    const included = readText(path);
    if (included !== undefined) assignments.push(...parseNixConfig(included, path, readText, depth + 1));
    else if (name === "include") throw new Error(`file "${path}" included from "${from}" not found`);
  }
  return assignments;
}
