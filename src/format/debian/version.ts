/** Debian package versions, `[epoch:]upstream[-revision]`, and their order (Debian Policy, section 5.6.12). */

/** Negative, zero or positive as `a` is older than, the same as or newer than `b`. */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0;
  const left = splitVersion(a);
  const right = splitVersion(b);
  return (
    left.epoch - right.epoch || comparePart(left.upstream, right.upstream) || comparePart(left.revision, right.revision)
  );
}

export type VersionRelation = "<<" | "<=" | "=" | ">=" | ">>";

export interface VersionConstraint {
  readonly relation: VersionRelation;
  readonly version: string;
}

export function satisfies(version: string, constraint: VersionConstraint): boolean {
  const order = compareVersions(version, constraint.version);
  switch (constraint.relation) {
    case "<<":
      return order < 0;
    case "<=":
      return order <= 0;
    case "=":
      return order === 0;
    case ">=":
      return order >= 0;
    case ">>":
      return order > 0;
  }
}

function splitVersion(version: string): {
  readonly epoch: number;
  readonly upstream: string;
  readonly revision: string;
} {
  const colon = version.indexOf(":");
  const dash = version.lastIndexOf("-");
  const start = colon < 0 ? 0 : colon + 1;
  const hasRevision = dash >= start;
  return {
    epoch: colon < 0 ? 0 : Number(version.slice(0, colon)) || 0,
    upstream: version.slice(start, hasRevision ? dash : undefined),
    // No revision is the same as revision 0, which compares like the empty one.
    revision: hasRevision ? version.slice(dash + 1) : "",
  };
}

/** Alternating runs of non-digits, in the order of `weight`, and of digits, as numbers. */
function comparePart(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    while (isNonDigit(a, i) || isNonDigit(b, j)) {
      const order = weight(a, i) - weight(b, j);
      if (order !== 0) return order;
      i++;
      j++;
    }
    while (a[i] === "0") i++;
    while (b[j] === "0") j++;
    let firstDifference = 0;
    while (isDigit(a, i) && isDigit(b, j)) {
      if (firstDifference === 0) firstDifference = a.charCodeAt(i) - b.charCodeAt(j);
      i++;
      j++;
    }
    // The number with more digits is larger.
    if (isDigit(a, i)) return 1;
    if (isDigit(b, j)) return -1;
    if (firstDifference !== 0) return firstDifference;
  }
  return 0;
}

/** Tilde before the end, the end before letters, letters before everything else. */
function weight(text: string, at: number): number {
  if (at >= text.length || isDigit(text, at)) return 0;
  const code = text.charCodeAt(at);
  if (code === 126) return -1;
  return (code >= 65 && code <= 90) || (code >= 97 && code <= 122) ? code : code + 256;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
}

function isNonDigit(text: string, at: number): boolean {
  return at < text.length && !isDigit(text, at);
}
