/**
 * Elements, made and changed as seldom as can be.
 *
 * Law: nothing here, or anywhere on the page, parses text as HTML: what a vehicle or a server says is only ever text.
 */

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

/** `el("p", { class: "soft" }, "text", child)`; an attribute that is a function becomes a listener (`click`). */
export const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

export const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** Writes a node's text if it is another than the last one written: most cells do not change from one frame to the next. */
export function setText(node, text) {
  if (node.writtenText === text) return;
  node.writtenText = text;
  node.textContent = text;
}

/** The same for an attribute: true sets it, false takes it away. */
export function setAttr(node, name, value) {
  const written = (node.writtenAttributes ??= {});
  if (written[name] === value) return;
  written[name] = value;
  if (typeof value === "boolean") node.toggleAttribute(name, value);
  else node.setAttribute(name, value);
}

/** Writes named figures into a `<dl>`, each in a line of its own from the first time on, hidden while it has no text: `write(name, text)`. */
export function figures(list) {
  const lines = new Map();
  return (name, text) => {
    if (!lines.has(name)) {
      lines.set(name, el("dd"));
      list.append(el("div", {}, el("dt", {}, name), lines.get(name)));
    }
    setText(lines.get(name), text);
    setAttr(lines.get(name).parentNode, "hidden", text === "");
  };
}

export const icon = (path, more = {}) => svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", ...more }, svg("path", { d: path }));

/** A canvas made as fine as the screen; returns its context, in CSS pixels, cleared, and its size. To ask for that costs a layout. */
export function prepareCanvas(canvas, width = canvas.clientWidth, height = canvas.clientHeight) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const across = Math.round(width * ratio);
  const down = Math.round(height * ratio);
  if (canvas.width !== across || canvas.height !== down) {
    canvas.width = across;
    canvas.height = down;
  }
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  ctx.font = "11px Inter, system-ui, sans-serif";
  ctx.lineCap = ctx.lineJoin = "round";
  ctx.globalAlpha = 1;
  return { ctx, width, height };
}

const colours = new Map();

/** The colour of a CSS variable as it is now, light or dark. */
export function colour(name) {
  let value = colours.get(name);
  if (value === undefined) {
    const probe = document.body.appendChild(el("i"));
    probe.style.color = `var(--${name})`;
    value = getComputedStyle(probe).color;
    probe.remove();
    colours.set(name, value);
  }
  return value;
}

/** The colour between two as `colour` gives them, at the share (0 to 1) of the way. */
export function mix(from, to, share) {
  const [start, end] = [from, to].map((text) => text.match(/[\d.]+/g).map(Number));
  return `rgb(${start.slice(0, 3).map((part, index) => Math.round(part + (end[index] - part) * share))})`;
}

export const forgetColours = () => colours.clear();
