// Sliders of the what-if page. One message is in flight at a time and the last value wins: a slow server
// makes moves fewer, never queued. The answer is acknowledged after it was painted.
const LOST_AFTER_MS = 5000;
const REST_MS = 300;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const clamp = (value, lever) => Math.min(Math.max(value, lever.lower), lever.upper);
const share = (value, lever) => 100 * (value - lever.lower) / (lever.upper - lever.lower || 1);
const fill = (template, values) => template.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);

class Lever {
  constructor(spec, changed) {
    this.value = spec.value;
    const id = `lever-${spec.name}`;
    this.label = make('label', {for: id});
    this.number = make('input', {id, type: 'number', class: 'field', autocomplete: 'off'});
    this.range = make('input', {type: 'range', class: 'slide', 'aria-describedby': `${id}-now`});
    this.known = make('span', {class: 'known'});
    this.tick = make('span', {class: 'tick'});
    this.now = make('p', {id: `${id}-now`, class: 'small'});
    this.why = make('p', {class: 'small why'});
    const scale = make('div', {class: 'scale', 'aria-hidden': 'true'}, this.known, this.tick);
    this.row = make('div', {class: 'lever', 'data-lever': spec.name},
      make('div', {class: 'head'}, this.label, this.number), this.range, scale, this.now, this.why);
    this.range.addEventListener('input', () => this.moved(Number(this.range.value), changed));
    this.number.addEventListener('change', () => {
      const typed = Number(this.number.value);
      if (this.number.value === '' || !Number.isFinite(typed)) this.show();
      else this.moved(clamp(typed, this.spec), changed);
    });
    this.describe(spec);
  }

  describe(spec) {
    this.spec = spec;
    this.label.textContent = spec.label;
    for (const input of [this.number, this.range]) {
      Object.assign(input, {min: spec.lower, max: spec.upper, step: spec.step, disabled: spec.disabled !== ''});
    }
    this.number.step = 'any';
    this.range.setAttribute('aria-label', spec.label);
    this.known.style.setProperty('--from', `${share(spec.knownLower, spec)}%`);
    this.known.style.setProperty('--to', `${100 - share(spec.knownUpper, spec)}%`);
    this.tick.style.setProperty('--at', `${share(spec.now, spec)}%`);
    this.now.textContent = spec.nowText;
    this.why.textContent = spec.disabled;
    this.why.lang = spec.disabledLang;
    this.row.classList.toggle('off', spec.disabled !== '');
    this.show();
  }

  show() {
    const {spec, value} = this;
    this.range.value = value;
    this.number.value = String(Number(value.toFixed(spec.places)));
    this.range.style.setProperty('--share', `${share(value, spec)}%`);
    const unseen = value !== spec.now && (value < spec.knownLower - 1e-9 || value > spec.knownUpper + 1e-9);
    this.row.classList.toggle('unseen-value', unseen);
    this.range.setAttribute('aria-valuetext',
      fill(unseen ? spec.valueTextUnseen : spec.valueText, {value: this.number.value}));
  }

  set(value) { this.value = value; this.show(); }

  moved(value, changed) {
    this.set(value);
    changed();
  }
}

export function render({model}) {
  const holder = make('div', {class: 'view levers'});
  const title = make('h2'), groups = make('div', {class: 'groups'});
  const reset = make('button', {type: 'button', class: 'button'});
  const copy = make('button', {type: 'button', class: 'button plain'});
  const said = make('p', {class: 'unseen', role: 'status', 'aria-live': 'polite'});
  holder.append(title, groups, make('div', {class: 'row'}, reset, copy), said);
  const levers = new Map();
  let flying = 0, waiting = false, number = 0, rest = 0, lost = 0;

  const values = () => Object.fromEntries([...levers].filter(([, l]) => !l.spec.disabled).map(([n, l]) => [n, l.value]));
  const send = () => {
    waiting = false;
    flying = ++number;
    clearTimeout(lost);
    lost = setTimeout(free, LOST_AFTER_MS);
    model.send_msg({values: values(), number});
  };
  const free = () => {
    flying = 0;
    if (waiting) send();
  };
  const changed = () => {
    if (flying) waiting = true; else send();
  };

  const draw = () => {
    title.textContent = model.words.title;
    reset.textContent = model.words.reset;
    copy.textContent = model.words.copy;
    const made = [];
    for (const group of model.groups) {
      const rows = group.levers.map((spec) => {
        if (levers.has(spec.name)) levers.get(spec.name).describe({...spec});
        else levers.set(spec.name, new Lever(spec, changed));
        return levers.get(spec.name).row;
      });
      const heading = make('h3');
      heading.textContent = group.label;
      made.push(make('section', {class: 'group'}, heading, ...rows));
    }
    const focused = holder.getRootNode().activeElement;
    groups.replaceChildren(...made);
    if (focused && groups.contains(focused)) focused.focus();
  };

  reset.addEventListener('click', () => {
    for (const lever of levers.values()) lever.set(lever.spec.now);
    changed();
  });
  copy.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(window.location.href);
      said.textContent = copy.textContent = model.words.copied;
    } catch {
      copy.textContent = model.words.notCopied;
    }
    setTimeout(() => { copy.textContent = model.words.copy; }, 2000);
  });
  model.on('groups', draw);
  model.on('words', draw);
  model.on('msg:custom', (message) => {
    if (message.values) {
      for (const [name, value] of Object.entries(message.values)) levers.get(name)?.set(value);
    }
    if (message.done === undefined) return;
    clearTimeout(rest);
    rest = setTimeout(() => { said.textContent = message.say; }, REST_MS);
    // the next move waits until this one was painted
    requestAnimationFrame(() => requestAnimationFrame(() => {
      if (message.done === flying) {
        clearTimeout(lost);
        free();
      }
    }));
  });
  draw();
  return holder;
}
