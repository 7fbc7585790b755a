/** A flame graph as one page that needs nothing else: width is time, a click looks closer, a search marks functions. */

import type { Profile } from "../../realise/profile.ts";

export function flameGraphPage(profile: Profile): string {
  const data = {
    frames: profile.frames.map(({ name, file, line, column }) => [
      name,
      file === undefined ? "" : `${file}:${line}:${column}`,
    ]),
    stacks: profile.stacks.map(({ parent, frame, timeMs }) => [parent, frame, Math.round(timeMs * 1000)]),
  };
  // No text of the program can end the script it stands in.
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  return PAGE.replace("DATA", () => json);
}

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Evaluation profile</title>
<style>
  body { margin: 0; font: 13px system-ui, sans-serif; background: #fff; color: #222; }
  header { position: sticky; top: 0; display: flex; gap: 1em; align-items: center; padding: 8px; background: #fff; border-bottom: 1px solid #ddd; }
  header strong { white-space: nowrap; }
  #shown { flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-family: ui-monospace, monospace; }
  canvas { display: block; }
  @media (prefers-color-scheme: dark) { body, header { background: #1c1c1c; color: #ddd; } header { border-color: #444; } }
</style>
<header>
  <strong>Evaluation profile</strong>
  <input id="search" type="search" placeholder="Search functions and files" aria-label="Search functions and files">
  <button id="reset" type="button">All</button>
  <span id="shown" role="status"></span>
</header>
<canvas id="graph" tabindex="0" aria-label="Flame graph of the evaluation"></canvas>
<script id="data" type="application/json">DATA</script>
<script>
"use strict";
const ROW = 18, FRAME_MIN = 0.4, TEXT_MIN = 30, DEPTH_MAX = 1500;
const { frames, stacks } = JSON.parse(document.getElementById("data").textContent);
const nodes = stacks.map(([parent, frame, self]) => ({ parent, frame, self, total: self, children: [], depth: 0 }));
for (let i = nodes.length - 1; i > 0; i--) nodes[nodes[i].parent].total += nodes[i].total;
for (let i = 1; i < nodes.length; i++) {
  const node = nodes[i], parent = nodes[node.parent];
  node.depth = parent.depth + 1;
  parent.children.push(node);
}
for (const node of nodes) node.children.sort((a, b) => b.total - a.total);
const canvas = document.getElementById("graph"), context = canvas.getContext("2d");
const search = document.getElementById("search"), shown = document.getElementById("shown");
let focus = nodes[0], boxes = [];
const nameOf = (node) => (node.frame < 0 ? "evaluation" : frames[node.frame][0]);
const placeOf = (node) => (node.frame < 0 ? "" : frames[node.frame][1]);
const time = (us) => (us >= 1e6 ? (us / 1e6).toFixed(2) + " s" : us >= 1e3 ? (us / 1e3).toFixed(1) + " ms" : us + " µs");
function describe(node) {
  const share = ((100 * node.total) / (nodes[0].total || 1)).toFixed(1);
  return nameOf(node) + " " + placeOf(node) + " — " + time(node.total) + " (" + share + " %), itself " + time(node.self);
}
function colorOf(node) {
  const text = placeOf(node) || nameOf(node);
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (hash * 31 + text.charCodeAt(i)) >>> 0;
  return placeOf(node) === "" ? "hsl(" + (190 + (hash % 40)) + " 45% 70%)" : "hsl(" + (hash % 55) + " 75% 68%)";
}
function draw() {
  const wanted = search.value.toLowerCase();
  const above = [];
  for (let node = focus; node !== undefined; node = nodes[node.parent]) above.unshift(node);
  boxes = above.map((node, row) => ({ node, x: 0, width: innerWidth, row }));
  let deepest = boxes.length;
  const pending = [{ node: focus, x: 0, row: boxes.length - 1 }];
  const scale = innerWidth / (focus.total || 1);
  while (pending.length > 0) {
    const { node, x, row } = pending.pop();
    let left = x;
    for (const child of node.children) {
      const width = child.total * scale;
      if (width >= FRAME_MIN && row < DEPTH_MAX) {
        boxes.push({ node: child, x: left, width, row: row + 1 });
        pending.push({ node: child, x: left, row: row + 1 });
        deepest = Math.max(deepest, row + 2);
      }
      left += width;
    }
  }
  const ratio = devicePixelRatio || 1;
  canvas.width = innerWidth * ratio;
  canvas.height = deepest * ROW * ratio;
  canvas.style.width = innerWidth + "px";
  canvas.style.height = deepest * ROW + "px";
  context.scale(ratio, ratio);
  context.font = "12px ui-monospace, monospace";
  context.textBaseline = "middle";
  for (const { node, x, width, row } of boxes) {
    const isFound = wanted !== "" && (nameOf(node) + " " + placeOf(node)).toLowerCase().includes(wanted);
    context.fillStyle = isFound ? "#c026d3" : row < above.length - 1 ? "#bbb" : colorOf(node);
    context.fillRect(x, row * ROW, Math.max(width - 0.5, 0.3), ROW - 1);
    if (width < TEXT_MIN) continue;
    context.save();
    context.beginPath();
    context.rect(x, row * ROW, width - 3, ROW);
    context.clip();
    context.fillStyle = isFound ? "#fff" : "#222";
    context.fillText(nameOf(node) + " " + placeOf(node), x + 3, row * ROW + ROW / 2);
    context.restore();
  }
  shown.textContent = describe(focus);
}
function boxAt(event) {
  const row = Math.floor(event.offsetY / ROW);
  return boxes.find((box) => box.row === row && event.offsetX >= box.x && event.offsetX < box.x + box.width);
}
canvas.addEventListener("mousemove", (event) => {
  const box = boxAt(event);
  shown.textContent = describe(box === undefined ? focus : box.node);
});
canvas.addEventListener("click", (event) => {
  const box = boxAt(event);
  if (box === undefined) return;
  focus = box.node;
  draw();
});
document.getElementById("reset").addEventListener("click", () => { focus = nodes[0]; draw(); });
addEventListener("keydown", (event) => { if (event.key === "Escape") { focus = nodes[0]; draw(); } });
search.addEventListener("input", draw);
addEventListener("resize", draw);
draw();
</script>
</html>
`;
