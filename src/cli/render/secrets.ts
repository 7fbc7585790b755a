/** Secrets for people: what is declared, and what there is of it. */

import { relative } from "node:path";
import { describeSource, type DeclaredSecret } from "../../fleet/secrets/declared.ts";
import { type SecretProblem, STATES } from "../../fleet/secrets/check.ts";
import type { FileChange, HostFilesChange } from "../../fleet/secrets/operators.ts";
import type { HostInventory } from "../../fleet/inventory.ts";
import { safeText } from "../../base/safe-text.ts";
import { renderTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

const HEADER = ["SECRET", "HOST", "STATE", "FROM", "AT", "OWNER", "MODE"];

export function renderSecrets(hosts: readonly HostInventory[], directory: string, terminal: Terminal): string[] {
  const { green, yellow } = terminal.colors;
  const rows = hosts.flatMap(({ name: host, secrets }) => [
    ...(secrets?.secrets ?? []).map((secret) => {
      const { meaning } = STATES[secret.state];
      const state = secret.state === "fresh" ? green(meaning) : yellow(meaning);
      return [secret.name, host, state, sourceOf(secret, directory), secret.path, ...ownerOf(secret)];
    }),
    ...(secrets?.templates ?? []).map((template) => [
      template.name,
      host,
      "",
      "a template",
      template.path,
      ...ownerOf(template),
    ]),
  ]);
  if (rows.length === 0) return ["no host has secrets"];
  return renderTable(HEADER, rows.map((row) => row.map(safeText)).sort(byText));
}

function byText(one: readonly string[], other: readonly string[]): number {
  return `${one[0]} ${one[1]}` < `${other[0]} ${other[1]}` ? -1 : 1;
}

function ownerOf({ owner, group, mode }: { owner: string; group: string; mode: string }): string[] {
  return [`${owner}:${group}`, mode];
}

function sourceOf(secret: DeclaredSecret, directory: string): string {
  if (secret.file !== null) return relative(directory, secret.file);
  return describeSource(secret).replace(/^it (?:is|comes from) /, "");
}

export function renderFileChange({ file, isChanged, hosts }: FileChange, directory: string): string[] {
  const path = safeText(relative(directory, file));
  return isChanged ? [`${path} is written`, ...hosts.map(renderHostChange)] : [`${path} is unchanged`];
}

export function renderHostChange({ host, withoutKey, written }: HostFilesChange): string {
  if (withoutKey === true)
    return `${host}: its files are not written, as they are for no key of it or for another: 'pristine secrets rekey ${host}'`;
  return written.length === 0 ? `${host}: nothing to write` : `${host}: ${written.map(safeText).join(", ")}`;
}

export function renderProblem({ hint, host, place, problem, secret }: SecretProblem, terminal: Terminal): string {
  const whose = host === undefined ? "" : `${host}: `;
  return safeText(`${terminal.colors.red("✗")} ${whose}${secret} (${place}): ${problem}; ${hint}`);
}
