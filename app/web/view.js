// Makes elements from plain values and keeps what the reader is doing: focus, open details, typed text.
const SVG = 'http://www.w3.org/2000/svg';
const AS_PROPERTY = new Set(['value', 'checked', 'disabled', 'selected']);

function create(spec, send) {
  const svg = spec.tag === 'svg' || spec.tag === 'path';
  const element = svg ? document.createElementNS(SVG, spec.tag) : document.createElement(spec.tag);
  element.__spec = {tag: spec.tag, attributes: {}, children: []};
  listen(element, spec, send);
  update(element, spec, send);
  return element;
}

function listen(element, spec, send) {
  // the name is read when it happens: an update may change it
  const act = (value) => {
    const name = element.__spec.attributes.act;
    if (name) send({act: name, value});
  };
  if (spec.tag === 'button' || spec.tag === 'a') {
    element.addEventListener('click', (event) => {
      if (!element.__spec.attributes.act) return;
      event.preventDefault();
      if (element.getAttribute('aria-disabled') !== 'true') act(null);
    });
  } else if (['input', 'select', 'textarea'].includes(spec.tag)) {
    element.addEventListener('change', () => act(element.type === 'checkbox' ? element.checked : element.value));
  } else if (spec.tag === 'details') {
    element.addEventListener('toggle', () => act(element.open));
  }
}

function update(element, spec, send) {
  const before = element.__spec.attributes, now = spec.attributes;
  for (const name of Object.keys(before)) {
    if (!(name in now) && name !== 'act' && name !== 'key') {
      if (AS_PROPERTY.has(name)) element[name] = name === 'value' ? '' : false;
      element.removeAttribute(name);
    }
  }
  for (const [name, value] of Object.entries(now)) {
    if (before[name] === value || name === 'act' || name === 'key') continue;
    if (name === 'open' && 'open' in before) continue;
    if (value === true) element.setAttribute(name, ''); else element.setAttribute(name, String(value));
  }
  children(element, spec.children, send);
  for (const name of AS_PROPERTY) {
    if (name in now && before[name] !== now[name]) element[name] = now[name];
  }
  element.__spec = spec;
}

function children(element, specs, send) {
  const keyed = new Map();
  for (const child of element.childNodes) {
    const key = child.__spec?.attributes.key;
    if (key !== undefined) keyed.set(key, child);
  }
  let place = element.firstChild;
  for (const spec of specs) {
    const key = typeof spec === 'string' ? undefined : spec.attributes.key;
    let child = key === undefined ? place : keyed.get(key) ?? null;
    if (key === undefined && child?.__spec?.attributes.key !== undefined) child = null;
    if (!fits(child, spec)) {
      const made = typeof spec === 'string' ? document.createTextNode(spec) : create(spec, send);
      if (key === undefined && child !== null && child === place) {
        place = child.nextSibling;
        child.replaceWith(made);
      } else element.insertBefore(made, place);
      continue;
    }
    if (child === place) place = child.nextSibling; else element.insertBefore(child, place);
    if (typeof spec === 'string') {
      if (child.data !== spec) child.data = spec;
    } else update(child, spec, send);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function fits(child, spec) {
  if (!child) return false;
  if (typeof spec === 'string') return child.nodeType === Node.TEXT_NODE;
  return child.__spec?.tag === spec.tag && child.__spec.attributes.key === spec.attributes.key;
}

function keyed(element, key) {
  for (const child of element.children) {
    const found = child.__spec?.attributes.key === key ? child : keyed(child, key);
    if (found) return found;
  }
  return null;
}

export function render({model, el}) {
  const holder = document.createElement('div');
  holder.className = 'view';
  holder.__spec = {tag: 'div', attributes: {}, children: []};
  const send = (message) => model.send_msg(message);
  const draw = () => children(holder, model.tree.length ? model.tree : [], send);
  model.on('tree', draw);
  model.on('msg:custom', (message) => {
    if (message.focus) keyed(holder, message.focus)?.focus();
  });
  draw();
  return holder;
}
