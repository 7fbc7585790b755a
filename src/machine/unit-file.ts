/**
 * systemd unit files: parsing, merging with drop-ins, and comparison that sees only what matters to a running unit.
 */

/** Assignments per section and key, in order; an empty assignment has cleared those before it. */
export type UnitSections = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

/** A unit as systemd would load it: its fragment with all drop-ins applied. */
export interface UnitDefinition {
  /** The name asked for; an instance keeps its instance part. */
  readonly name: string;
  /** Where the fragment and the drop-ins really lie; equal places in a store have equal contents. */
  readonly sources: readonly string[];
  /** Linked to `/dev/null` or empty: systemd refuses to start it. */
  readonly isMasked: boolean;
  readonly sections: UnitSections;
}

/** Parses the texts of a fragment and its drop-ins, in the order in which they apply. */
export function parseUnitTexts(texts: readonly string[]): UnitSections {
  const sections = new Map<string, Map<string, string[]>>();
  for (const text of texts) addUnitText(sections, text);
  return sections;
}

function addUnitText(sections: Map<string, Map<string, string[]>>, text: string): void {
  let section: Map<string, string[]> | undefined;
  for (const line of logicalLines(text)) {
    if (line.startsWith("[") && line.endsWith("]")) {
      const name = line.slice(1, -1);
      section = sections.get(name);
      if (section === undefined) sections.set(name, (section = new Map<string, string[]>()));
      continue;
    }
    const equals = line.indexOf("=");
    if (section === undefined || equals <= 0) continue;
    const key = line.slice(0, equals).trim();
    const value = line.slice(equals + 1).trim();
    if (value === "") section.set(key, []);
    else section.set(key, [...(section.get(key) ?? []), value]);
  }
}

/** Lines without comments, with continuations joined by a space. */
function logicalLines(text: string): string[] {
  const lines: string[] = [];
  let pending: string | undefined;
  for (const raw of text.split("\n")) {
    const line = raw.trim();
    if (line.startsWith("#") || line.startsWith(";")) continue;
    const isContinued = line.endsWith("\\");
    const part = isContinued ? line.slice(0, -1).trim() : line;
    pending = pending === undefined ? part : `${pending} ${part}`;
    if (isContinued) continue;
    if (pending !== "") lines.push(pending);
    pending = undefined;
  }
  if (pending !== undefined && pending !== "") lines.push(pending);
  return lines;
}

/** All values of a key in one section. */
export function unitValues(unit: UnitDefinition, section: string, key: string): readonly string[] {
  return unit.sections.get(section)?.get(key) ?? [];
}

/** A key that says how a switch treats the unit, in whichever section it stands; the last assignment wins. */
export function unitFlag(unit: UnitDefinition, key: string, fallback: boolean): boolean {
  let found: string | undefined;
  for (const keys of unit.sections.values()) found = keys.get(key)?.at(-1) ?? found;
  if (found === undefined) return fallback;
  return ["1", "yes", "true", "on", "y", "t"].includes(found.toLowerCase());
}

export type UnitComparison =
  | { readonly kind: "same" }
  /** Only what a reload brings across differs: `X-Reload-Triggers`, or the options of a mount. */
  | { readonly kind: "reload"; readonly keys: readonly string[] }
  | { readonly kind: "restart"; readonly keys: readonly string[] };

/** Keys that a running unit does not notice, or that only say how switches treat it. */
const UNNOTICED_KEYS = new Set([
  "Description",
  "Documentation",
  "OnFailure",
  "OnSuccess",
  "OnFailureJobMode",
  "IgnoreOnIsolate",
  "StopWhenUnneeded",
  "RefuseManualStart",
  "RefuseManualStop",
  "AllowIsolate",
  "CollectMode",
  "SourcePath",
  "X-RestartIfChanged",
  "X-ReloadIfChanged",
  "X-StopIfChanged",
  "X-StopOnRemoval",
  "X-StopOnReconfiguration",
  "X-OnlyManualStart",
  "X-NotSocketActivated",
]);

/** Compares two definitions of a unit as a running instance would notice. */
export function compareUnits(old: UnitDefinition, next: UnitDefinition): UnitComparison {
  if (old.sources.length === next.sources.length && old.sources.every((path, i) => path === next.sources[i])) {
    return { kind: "same" };
  }
  const reloadKeys: string[] = [];
  const restartKeys: string[] = [];
  for (const section of new Set([...old.sections.keys(), ...next.sections.keys()])) {
    if (section === "Install") continue;
    const before = old.sections.get(section);
    const after = next.sections.get(section);
    for (const key of new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])])) {
      if (UNNOTICED_KEYS.has(key) || sameValues(before?.get(key), after?.get(key))) continue;
      const isReload = key === "X-Reload-Triggers" || (section === "Mount" && key === "Options");
      (isReload ? reloadKeys : restartKeys).push(key);
    }
  }
  if (restartKeys.length > 0) return { kind: "restart", keys: [...restartKeys, ...reloadKeys] };
  return reloadKeys.length > 0 ? { kind: "reload", keys: reloadKeys } : { kind: "same" };
}

function sameValues(one: readonly string[] = [], other: readonly string[] = []): boolean {
  return one.length === other.length && one.every((value, i) => value === other[i]);
}

/** `a@b.service` to `a@.service`; undefined when the name is no instance. */
export function templateOf(name: string): string | undefined {
  const at = name.indexOf("@");
  const dot = name.lastIndexOf(".");
  return at < 0 || dot <= at + 1 ? undefined : `${name.slice(0, at + 1)}${name.slice(dot)}`;
}

/** `nginx.service` to `service`. */
export function unitTypeOf(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}
