// Building and updating the document. Text only ever goes in as text nodes and attributes: whatever a name
// holds, it is shown and never obeyed.

const SVG = "http://www.w3.org/2000/svg";

// An element with attributes (null and false leave one out) and children (elements, texts, nested lists).
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) {
      element.append(child instanceof Node ? child : String(child));
    }
  }
  return element;
}

// Changes `old` into `next` where they differ and nowhere else, so that what a reader has opened, selected or
// focused stays as it is. Children with a data-key are recognised wherever they have moved.
export function morph(old, next) {
  if (old.nodeName !== next.nodeName || key(old) !== key(next)) {
    old.replaceWith(next);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  morphAttributes(old, next);
  const children = [...next.childNodes];
  children.forEach((child, index) => {
    const here = old.childNodes[index] ?? null;
    const match = key(child) === null ? here : later(old, index, key(child));
    if (match === null) {
      old.insertBefore(child, here);
    } else {
      if (match !== here) old.insertBefore(match, here);
      morph(match, child);
    }
  });
  while (old.childNodes.length > children.length) old.lastChild.remove();
}

function morphAttributes(old, next) {
  for (const { name, value } of [...next.attributes]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    const isReaders = name === "open" && old.nodeName === "DETAILS";
    if (!isReaders && !next.hasAttribute(name)) old.removeAttribute(name);
  }
}

function later(parent, from, wanted) {
  for (let node = parent.childNodes[from]; node; node = node.nextSibling) {
    if (key(node) === wanted) return node;
  }
  return null;
}

function key(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") : null;
}
