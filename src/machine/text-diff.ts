/** A line diff of two texts, for showing what changes in a file. */

export interface DiffLine {
  readonly kind: "same" | "removed" | "added";
  readonly text: string;
}

/** Beyond this many lines on either side the middle is shown as replaced as a whole. */
const LINES_MAX = 2000;

/** The shortest edit between two texts, with all unchanged lines. */
export function diffLines(old: string, next: string): DiffLine[] {
  const before = linesOf(old);
  const after = linesOf(next);
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  let tail = 0;
  while (
    tail < before.length - head &&
    tail < after.length - head &&
    before[before.length - 1 - tail] === after[after.length - 1 - tail]
  ) {
    tail++;
  }
  const same = (text: string): DiffLine => ({ kind: "same", text });
  return [
    ...before.slice(0, head).map(same),
    ...diffMiddle(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...before.slice(before.length - tail).map(same),
  ];
}

function linesOf(text: string): string[] {
  if (text === "") return [];
  return (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
}

function diffMiddle(before: readonly string[], after: readonly string[]): DiffLine[] {
  const removed = before.map((text): DiffLine => ({ kind: "removed", text }));
  const added = after.map((text): DiffLine => ({ kind: "added", text }));
  if (before.length === 0 || after.length === 0 || before.length > LINES_MAX || after.length > LINES_MAX) {
    return [...removed, ...added];
  }
  // common[i][j]: length of the longest common subsequence of before[i…] and after[j…].
  const width = after.length + 1;
  const common = new Uint16Array((before.length + 1) * width);
  const at = (i: number, j: number): number => common[i * width + j] as number;
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      common[i * width + j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < before.length && j < after.length) {
    if (before[i] === after[j]) {
      lines.push({ kind: "same", text: before[i++] as string });
      j++;
    } else if (at(i + 1, j) >= at(i, j + 1)) lines.push(removed[i++] as DiffLine);
    else lines.push(added[j++] as DiffLine);
  }
  return [...lines, ...removed.slice(i), ...added.slice(j)];
}

/** Drops unchanged lines further than `context` from a change; `…` stands for what was left out. */
export function condenseDiff(lines: readonly DiffLine[], context: number): DiffLine[] {
  const isNear = lines.map(() => false);
  lines.forEach((line, i) => {
    if (line.kind === "same") return;
    for (let k = Math.max(0, i - context); k <= Math.min(lines.length - 1, i + context); k++) isNear[k] = true;
  });
  const kept: DiffLine[] = [];
  lines.forEach((line, i) => {
    if (isNear[i] === true) kept.push(line);
    else if (i > 0 && isNear[i - 1] === true && isNear.includes(true, i)) kept.push({ kind: "same", text: "…" });
  });
  return kept;
}
