"use strict";
// A squarified treemap (Bruls, Huizing, van Wijk: "Squarified Treemaps", 2000) of the tree in #data. The part that is
// shown is named by the URL's hash, so that the browser's own way back works, too.
const root = JSON.parse(document.getElementById("data").textContent);
const $ = (selector) => document.querySelector(selector);
const [map, nav, search, found, status] = ["main", "nav", "input", "output", "footer"].map($);
const HEADER = 17, GAP = 2, SMALLEST = 5;
let view = root;

(function prepare(node, parent, hue) {
  node.parent = parent;
  const grey = ["header", "module"].includes(node.kind);
  node.hue = grey ? null : ["section", "crate"].includes(node.kind) ? hueOf(node.name) : hue;
  for (const child of node.children ?? []) prepare(child, node, node.hue);
})(root, null, null);

function hueOf(name) {
  let hash = 7;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  // The golden angle, so that names that differ little do not look alike.
  return Math.round((hash % 997) * 137.508) % 360;
}

function sizeText(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  let value = bytes, unit = 0;
  while (value >= 999.5 && unit < 4) [value, unit] = [value / 1000, unit + 1];
  return `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)} ${["B", "kB", "MB", "GB", "TB"][unit]}`;
}

const percent = (node) => root.size ? `${(100 * node.size / root.size).toFixed(1)}%` : "";
const nameOf = (node) => node.full_name ?? node.name;
const describe = (node) => `${nameOf(node)} — ${sizeText(node.size)}, ${percent(node)} (${node.size} bytes)`;

function lineage(node) {
  const line = [];
  for (; node; node = node.parent) line.unshift(node);
  return line;
}

// A path of positions: names need not differ.
const hashOf = (node) =>
  "#" + lineage(node).slice(1).map((step) => step.parent.children.indexOf(step)).join("/");

function nodeAt(hash) {
  let node = root;
  for (const step of hash.slice(1).split("/")) {
    if (step === "" || !node.children?.[step]) break;
    node = node.children[step];
  }
  return node;
}

// Gives every node its part of the rectangle: rows along the shorter side, each as long as that makes its parts more
// like squares.
function squarify(nodes, x, y, width, height, place) {
  const total = nodes.reduce((sum, node) => sum + node.size, 0);
  if (!total) return;
  const scale = width * height / total;
  let first = 0;
  while (first < nodes.length && nodes[first].size > 0) {
    const side = Math.min(width, height);
    if (side <= 0) return;
    let last = first, area = 0, worst = Infinity;
    while (last < nodes.length && nodes[last].size > 0) {
      const next = area + nodes[last].size * scale, depth = next / side;
      const ratio = Math.max(...[nodes[first], nodes[last]].map((node) => {
        const length = node.size * scale / depth;
        return Math.max(length / depth, depth / length);
      }));
      if (ratio > worst) break;
      [area, worst, last] = [next, ratio, last + 1];
    }
    const depth = area / side;
    let along = 0;
    for (const node of nodes.slice(first, last)) {
      const length = node.size * scale / depth;
      if (width >= height) place(node, x, y + along, depth, length);
      else place(node, x + along, y, length, depth);
      along += length;
    }
    if (width >= height) [x, width] = [x + depth, width - depth];
    else [y, height] = [y + depth, height - depth];
    first = last;
  }
}

function draw(cells, node, depth, x, y, width, height) {
  if (width < SMALLEST || height < SMALLEST) return;
  cells.append(cell(node, depth, x, y, width, height));
  if (!node.children || height < HEADER + SMALLEST || width < 3 * SMALLEST) return;
  squarify(node.children, x + GAP, y + HEADER, width - 2 * GAP, height - HEADER - GAP,
    (child, ...rectangle) => draw(cells, child, depth + 1, ...rectangle));
}

function cell(node, depth, x, y, width, height) {
  const button = document.createElement("button");
  button.className = `cell${node.hue === null ? " grey" : ""}`;
  button.style.cssText = `left:${x}px;top:${y}px;width:${width}px;height:${height}px;` +
    `--hue:${node.hue ?? 0};--depth:${Math.min(depth, 6)}`;
  button.node = node;
  button.dataset.size = node.size;
  button.dataset.depth = depth;
  button.title = describe(node);
  button.setAttribute("aria-label", describe(node));
  // So small that a person would not find it with the eye: not with Tab, either.
  if (width < 20 || height < 12) button.tabIndex = -1;
  if (width >= 34 && height >= 14) {
    button.append(text("span", node.name));
    if (width >= 110) button.append(text("small", `${sizeText(node.size)} ${percent(node)}`));
  }
  return button;
}

function text(tag, content) {
  const element = document.createElement(tag);
  element.textContent = content;
  return element;
}

function render() {
  view = nodeAt(location.hash);
  document.title = `${nameOf(view)}: ${sizeText(view.size)}`;
  nav.replaceChildren(...lineage(view).flatMap((node) => {
    const button = text("button", nameOf(node));
    button.node = node;
    button.title = describe(node);
    if (node !== view) return [button, text("i", "›")];
    button.setAttribute("aria-current", "location");
    button.dataset.size = node.size;
    return [button, text("i", `${sizeText(node.size)}, ${percent(node)}`)];
  }));
  const cells = document.createDocumentFragment();
  const { width, height } = map.getBoundingClientRect();
  draw(cells, view, 0, 0, 0, width, height);
  map.replaceChildren(cells);
  status.textContent = "Click or Enter: into it. Escape: out again.";
  mark();
}

// Shows what the search finds, and what it is in.
function mark() {
  const words = search.value.trim().toLowerCase();
  document.body.classList.toggle("searching", words !== "");
  let count = 0, size = 0;
  const leads = new Set(), matches = new Set();
  (function look(node, inside) {
    const is = words !== "" && nameOf(node).toLowerCase().includes(words);
    if (is) matches.add(node);
    if (is && !inside) {
      [count, size] = [count + 1, size + node.size];
      for (const above of lineage(node)) leads.add(above);
    }
    if (is || inside) matches.add(node);
    for (const child of node.children ?? []) look(child, is || inside);
  })(root, false);
  for (const button of map.children) {
    button.classList.toggle("found", matches.has(button.node));
    button.classList.toggle("leads", leads.has(button.node));
  }
  const share = root.size ? (100 * size / root.size).toFixed(1) : "0";
  found.textContent = words === "" ? "" : `${count} found: ${sizeText(size)}, ${share}%`;
}

function show(node) {
  if (node && node !== view) location.hash = hashOf(node);
}

const nodeOf = (event) => event.target.closest("button")?.node;
map.addEventListener("click", (event) => show(nodeOf(event)));
nav.addEventListener("click", (event) => show(nodeOf(event)));
for (const kind of ["mouseover", "focusin"]) {
  map.addEventListener(kind, (event) => { if (nodeOf(event)) status.textContent = describe(nodeOf(event)); });
}
search.addEventListener("input", mark);
addEventListener("keydown", (event) => {
  if (event.key === "/" && event.target !== search) {
    event.preventDefault();
    search.focus();
  }
  if (event.key !== "Escape") return;
  if (search.value) {
    search.value = "";
    mark();
  } else {
    show(view.parent);
  }
});
addEventListener("hashchange", () => {
  render();
  map.querySelector("button")?.focus({ preventScroll: true });
});
new ResizeObserver(render).observe(map);
