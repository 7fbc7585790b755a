/**
 * What health checks on a timer have seen, as spans of equal results: what a host keeps of them, bounded.
 *
 * `docs/formats/host-state.md` describes the files.
 */

/** A time in which each run of a check had the same result. */
export interface CheckSpan {
  /** When that result was seen first, and last; ISO 8601 in UTC. */
  readonly from: string;
  readonly until: string;
  readonly healthy: boolean;
  /** What was seen at first. */
  readonly message: string;
}

/** What is kept of one check, oldest first. */
export interface CheckHistory {
  readonly name: string;
  readonly spans: readonly CheckSpan[];
}

/** What `check-history` prints. */
export interface CheckHistoryAnswer {
  readonly checks: readonly CheckHistory[];
}

export interface SeenResult {
  readonly at: string;
  readonly healthy: boolean;
  readonly message: string;
}

/** How many spans of a check are kept, and how much of what was seen. */
const SPANS_MAX = 50;
const MESSAGE_CHARS_MAX = 200;
/** While nothing changes, the end of a span is written down this often. */
const REFRESH_MS = 5 * 60_000;

/** The spans after another result; the same ones when nothing is to be written. */
export function spansAfter(
  spans: readonly CheckSpan[],
  seen: SeenResult,
  { everySeconds }: { readonly everySeconds: number },
): readonly CheckSpan[] {
  const message = seen.message.slice(0, MESSAGE_CHARS_MAX);
  const begun: CheckSpan = { from: seen.at, until: seen.at, healthy: seen.healthy, message };
  const last = spans.at(-1);
  if (last === undefined) return [begun];
  const sinceMs = Date.parse(seen.at) - Date.parse(last.until);
  // Nobody looked for a while: the host was off, or its clock was set.
  const isGap = sinceMs < 0 || sinceMs > 2 * (everySeconds * 1000 + REFRESH_MS);
  if (isGap) return [...spans, begun].slice(-SPANS_MAX);
  if (!isEqual(last, begun)) return [...spans.slice(0, -1), { ...last, until: seen.at }, begun].slice(-SPANS_MAX);
  return sinceMs < REFRESH_MS ? spans : [...spans.slice(0, -1), { ...last, until: seen.at }];
}

/** Numbers in what was seen, such as free bytes, make no other result; what is healthy is healthy. */
function isEqual(one: CheckSpan, other: CheckSpan): boolean {
  if (one.healthy !== other.healthy) return false;
  return one.healthy || withoutNumbers(one.message) === withoutNumbers(other.message);
}

function withoutNumbers(text: string): string {
  return text.replace(/\d+/g, "0");
}

/** Since when a check is unhealthy, whatever it saw; `undefined` when it was healthy last, or never ran. */
export function unhealthySince(spans: readonly CheckSpan[]): string | undefined {
  let since: string | undefined;
  for (const span of spans.toReversed()) {
    if (span.healthy || (since !== undefined && span.until !== since)) break;
    since = span.from;
  }
  return since;
}
