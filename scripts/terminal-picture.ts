/**
 * Draws the README's terminal picture, `docs/demo.svg`, from a recorded run of the demo.
 *
 *     bin/pristine demo | tee demo.log
 *     bin/node scripts/terminal-picture.ts demo.log    trims the log to docs/demo-transcript.txt and draws it
 *     bin/node scripts/terminal-picture.ts             draws the transcript that is there
 *
 * Trimming only leaves lines out. The picture also shortens the hashes of store paths.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const docs = join(import.meta.dirname, "../docs");
const TRANSCRIPT = join(docs, "demo-transcript.txt");
const PICTURE = join(docs, "demo.svg");

/** What is shown of which chapters and their parts. */
const SHOWN: readonly { readonly title: RegExp; readonly lines: RegExp }[] = [
  {
    title: /Deploy /,
    lines: /^\$ |^ {2}web1: .* → | (packages|start|reload|users|ports|copy) {2,}|hosts to switch|^ {2}[✓✗] /,
  },
  { title: /Change one thing/, lines: /^edit |^ {2}[-+] |^\$ .*deploy|^ {2}[✓✗] / },
  { title: /locks you out/, lines: /^edit |^ {2}\+ services|^\$ |^ {2}web1: .* → | (ports|LOCKOUT) {2,}|^ {2}[✓✗] / },
  { title: /loses power/, lines: /^\$ |^ {2}[✓✗] / },
  { title: /Roll back/, lines: /^\$ |^ {2}(host|lb|web1|web2) {2,}|^ {2}[✓✗] / },
];
/** The last words of the run. */
const CLOSING = /^All \d+ chapters held/;

/** Leaves out of a log what the picture does not show. */
export function trim(log: string): string {
  const kept: string[] = [];
  let chapter: string | undefined;
  let lines: RegExp | undefined;
  let isInKeptBlock = true;
  for (const line of log.split("\n")) {
    const isChapter = /^\d+\. .*──/.test(line);
    if (isChapter || /^ {2}▸ /.test(line)) {
      if (isChapter) chapter = line;
      lines = SHOWN.find(({ title }) => title.test(line))?.lines;
      if (lines === undefined) continue;
      if (kept.length > 0) kept.push("");
      if (chapter !== undefined) kept.push(chapter);
      if (!isChapter) kept.push(line);
      chapter = undefined;
      isInKeptBlock = true;
    } else if (CLOSING.test(line)) {
      kept.push("", line);
    } else if (lines !== undefined) {
      // What is indented further belongs to the host named above it.
      const isInside = /^ {4}/.test(line);
      const isShown: boolean = lines.test(line) && (!isInside || isInKeptBlock);
      if (/^ {2}\w+: /.test(line)) isInKeptBlock = isShown;
      else if (!isInside) isInKeptBlock = true;
      if (isShown) kept.push(line);
    }
  }
  return `${kept.join("\n")}\n`;
}

const COLUMNS = 100;
const CELL = { width: 8.1, height: 19, fontSize: 13.5 };
const PADDING = 22;
const BAR_HEIGHT = 38;
const COLOURS = {
  background: "#0f1219",
  bar: "#1a1e28",
  edge: "#2b3140",
  text: "#c9d1dc",
  bold: "#f3f6fa",
  dim: "#717b8d",
  green: "#6fdd8b",
  red: "#ff7a72",
  yellow: "#e8bd4f",
  blue: "#79b8ff",
} as const;

interface Piece {
  readonly text: string;
  readonly colour: keyof typeof COLOURS;
  readonly isBold?: boolean;
}

/** A line as coloured pieces; the rules are those of the terminal. */
function piecesOf(line: string): Piece[] {
  const title = /^(\d+\. .*?)( ─+)$/.exec(line);
  if (title !== null) {
    const [, name = ""] = title;
    return [
      { text: name, colour: "bold", isBold: true },
      { text: ` ${"─".repeat(COLUMNS - name.length - 1)}`, colour: "edge" },
    ];
  }
  if (CLOSING.test(line)) return [{ text: line, colour: "green", isBold: true }];
  const mark = /^( {2})([✓✗])(.*)$/u.exec(line);
  if (mark !== null) {
    const colour = mark[2] === "✓" ? "green" : "red";
    return [
      { text: `  ${mark[2] ?? ""}`, colour, isBold: true },
      { text: mark[3] ?? "", colour: "text" },
    ];
  }
  if (line.startsWith("  ▸ ")) return [{ text: line, colour: "yellow", isBold: true }];
  if (line.startsWith("$ ")) {
    return [
      { text: "$ ", colour: "dim" },
      { text: line.slice(2), colour: "blue", isBold: true },
    ];
  }
  if (/^ {2}\+ /.test(line)) return [{ text: line, colour: "green" }];
  if (/^ {2}- /.test(line)) return [{ text: line, colour: "red" }];
  if (line.startsWith("edit ")) {
    return [
      { text: "edit ", colour: "dim" },
      { text: line.slice(5), colour: "bold" },
    ];
  }
  const change = /^( {2}\w+: )(.*)( → )(.*)$/.exec(line);
  if (change !== null) {
    const [, host = "", from = "", arrow = "", to = ""] = change;
    return [
      { text: host, colour: "bold", isBold: true },
      { text: from + arrow, colour: "dim" },
      { text: to, colour: "text" },
    ];
  }
  if (line.includes("LOCKOUT")) return [{ text: line, colour: "red", isBold: true }];
  const fact = /^( {4}\w+ +)(.*)$/.exec(line);
  if (fact !== null) {
    return [
      { text: fact[1] ?? "", colour: "dim" },
      { text: fact[2] ?? "", colour: "text" },
    ];
  }
  if (/^ {2}host /.test(line)) return [{ text: line, colour: "dim", isBold: true }];
  const row = /^( {2}\w+ +)(as declared|differs)(.*)$/.exec(line);
  if (row !== null) {
    return [
      { text: row[1] ?? "", colour: "bold" },
      { text: row[2] ?? "", colour: row[2] === "differs" ? "yellow" : "green" },
      { text: row[3] ?? "", colour: "text" },
    ];
  }
  return [{ text: line, colour: "text" }];
}

/** Shortens the hashes of store paths, and what is still too long for the terminal. */
function fit(line: string): string {
  const short = line.replace(/(?:\/nix\/store\/)?([0-9a-z]{7})[0-9a-z]{25}-/g, "$1…-");
  const characters = Array.from(short);
  if (characters.length <= COLUMNS || short.includes("───")) return short;
  return `${characters.slice(0, COLUMNS - 1).join("")}…`;
}

/** The picture of a transcript, as SVG. */
export function draw(transcript: string): string {
  const lines = transcript.trimEnd().split("\n").map(fit);
  const width = Math.ceil(COLUMNS * CELL.width + 2 * PADDING);
  const height = BAR_HEIGHT + lines.length * CELL.height + 2 * PADDING;
  const texts = lines.flatMap((line, index) => {
    const y = BAR_HEIGHT + PADDING + index * CELL.height + CELL.fontSize;
    let column = 0;
    return piecesOf(line).flatMap(({ text, colour, isBold }) => {
      const length = Array.from(text).length;
      const x = PADDING + column * CELL.width;
      column += length;
      if (text.trim() === "") return [];
      // A fixed length keeps columns aligned whatever font the viewer has.
      const attributes = [
        `x="${x.toFixed(1)}"`,
        `y="${y.toFixed(1)}"`,
        `textLength="${(length * CELL.width).toFixed(1)}"`,
        `fill="${COLOURS[colour]}"`,
        ...(isBold === true ? ['font-weight="600"'] : []),
      ];
      return [`<text ${attributes.join(" ")}>${escapeXml(text)}</text>`];
    });
  });
  const dots = ["#ff5f57", "#febc2e", "#28c840"].map(
    (fill, index) => `<circle cx="${PADDING + 2 + index * 20}" cy="${BAR_HEIGHT / 2}" r="6" fill="${fill}"/>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="A recorded run of the demo, trimmed">`,
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="10" fill="${COLOURS.background}" stroke="${COLOURS.edge}"/>`,
    `<path d="M0.5 ${BAR_HEIGHT} V10.5 a10 10 0 0 1 10 -10 H${width - 10.5} a10 10 0 0 1 10 10 V${BAR_HEIGHT} Z" fill="${COLOURS.bar}" stroke="${COLOURS.edge}"/>`,
    ...dots,
    `<g font-family="ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace" font-size="${CELL.fontSize}" xml:space="preserve">`,
    `<text x="${width / 2}" y="${BAR_HEIGHT / 2 + 4.5}" text-anchor="middle" fill="${COLOURS.dim}">npm run demo</text>`,
    ...texts,
    "</g>",
    "</svg>",
    "",
  ].join("\n");
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll(" ", "\u00a0");
}

if (import.meta.main) {
  const [log] = process.argv.slice(2);
  if (log !== undefined) writeFileSync(TRANSCRIPT, trim(readFileSync(log, "utf8")));
  writeFileSync(PICTURE, draw(readFileSync(TRANSCRIPT, "utf8")));
}
