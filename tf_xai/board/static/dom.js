/** Elements, and the controls that the bar is made of. */

/** An element with properties, attributes (names with a dash, and `role`) and children. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  fill(element, properties, children);
  return element;
}

/** The same in SVG, where all are attributes. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes('-') || name === 'role') element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
}

/** A labelled choice among `options`: strings, or pairs of value and text. */
export function choice(label, id, options, value, change) {
  const entries = options.map((option) => (Array.isArray(option) ? option : [option, option]));
  const box = el('select', { 'data-testid': id, onchange: () => change(box.value) });
  box.append(...entries.map(([key, text]) => el('option', { value: key, textContent: text })));
  box.value = value;
  return el('label', {}, el('span', { textContent: label }), box);
}

/** A labelled slider; `text` says what a value stands for. */
export function slider(label, id, [low, high, step], value, change, text = String) {
  const shown = el('output', { textContent: text(value) });
  const input = el('input', { type: 'range', min: low, max: high, step, value, 'data-testid': id });
  input.setAttribute('aria-valuetext', text(value));
  input.oninput = () => {
    shown.textContent = text(+input.value);
    input.setAttribute('aria-valuetext', text(+input.value));
    change(+input.value);
  };
  return el('label', {}, el('span', { textContent: label }), input, shown);
}

/** A labelled box to tick. */
export function tick(label, id, checked, change) {
  const box = el('input', { type: 'checkbox', checked, 'data-testid': id, onchange: () => change(box.checked) });
  return el('label', { className: 'tick' }, box, el('span', { textContent: label }));
}

/** What is shown in place of a picture that there is not. */
export const notice = (text) => el('p', { className: 'notice', textContent: text });

/** A number as people read it. */
export function number(value, digits = 3) {
  if (value === null || value === undefined) return '–';
  if (!Number.isFinite(value)) return 'not a number';
  return Math.abs(value) >= 1e4 || (value !== 0 && Math.abs(value) < 1e-3)
    ? value.toExponential(1)
    : String(+value.toFixed(digits));
}
