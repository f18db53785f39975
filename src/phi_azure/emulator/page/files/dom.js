// Elements as values, and a patch that changes only what differs: focus, selection and scrolling survive each look.
// Text is only ever set as text; nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";
const SHAPES = new Set(["svg", "path", "line", "circle", "text", "g", "rect"]);

/** An element as a value: h("p", { class: "soft" }, "text", h("b", {}, "more")). False and null children are left out. */
export function h(tag, props = {}, ...children) {
  return { tag, props, children: children.flat(Infinity).filter((child) => child !== false && child != null && child !== "") };
}

/** Makes the children of an element what these values say. */
export function patch(element, children) {
  const wanted = children.flat(Infinity).filter((child) => child !== false && child != null && child !== "");
  const keyed = new Map();
  for (const child of element.children) if (child.dataset.key) keyed.set(child.dataset.key, child);
  wanted.forEach((value, index) => {
    const here = element.childNodes[index];
    const key = typeof value === "object" ? value.props.key : undefined;
    const found = key !== undefined ? keyed.get(String(key)) : here && !here.dataset?.key ? here : undefined;
    const node = fits(found, value) ? update(found, value) : make(value);
    if (node !== here) element.insertBefore(node, here ?? null);
  });
  while (element.childNodes.length > wanted.length) element.lastChild.remove();
}

function fits(node, value) {
  if (!node) return false;
  if (typeof value !== "object") return node.nodeType === Node.TEXT_NODE;
  return node.nodeType === Node.ELEMENT_NODE && node.localName === value.tag;
}

function make(value) {
  if (typeof value !== "object") return document.createTextNode(String(value));
  const node = SHAPES.has(value.tag) ? document.createElementNS(SVG, value.tag) : document.createElement(value.tag);
  if (value.props.key !== undefined) node.dataset.key = value.props.key;
  return update(node, value);
}

function update(node, value) {
  if (typeof value !== "object") {
    if (node.data !== String(value)) node.data = String(value);
    return node;
  }
  const before = node.given ?? {};
  const props = value.props;
  for (const name of Object.keys(before)) if (!(name in props)) set(node, name, null);
  for (const [name, given] of Object.entries(props)) if (before[name] !== given) set(node, name, given);
  node.given = props;
  if (!props.kept) patch(node, value.children); // `kept`: somebody else fills it
  return node;
}

function set(node, name, given) {
  if (name === "key" || name === "kept") return;
  if (name.startsWith("on")) node[name] = given;
  else if (name === "value") node.value = given ?? "";
  else if (name.startsWith("--")) node.style.setProperty(name, given);
  else if (given === null || given === undefined || given === false) node.removeAttribute(name);
  else node.setAttribute(name, given === true ? "" : given);
}
