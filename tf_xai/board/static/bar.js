/** The bar: what is drawn, and how. */

import { choice, el, slider, tick } from './dom.js';
import { css, MAPS, RUNS, sequential } from './colours.js';
import { metrics } from './rows.js';

const SIGNS = ['signed', 'positive', 'negative', 'absolute'];
const SCALES = [['map', 'each map'], ['example', 'each example'], ['all', 'all']];
const SORTS = [
  ['order', 'order'],
  ['fidelity', 'lowest fidelity'], // of a metric, which is named
  ['confidence', 'lowest confidence'],
  ['change', 'largest change'],
  ['label', 'label'],
];
const FILTERS = [
  ['all', 'all'],
  ['wrong', '✗ wrong'],
  ['right', '✓ right'],
  ['flipped', 'explanation flipped'],
];
/** Views that draw no maps and no list of examples, and the controls that do nothing there. */
const WITHOUT_MAPS = ['curves', 'pareto'];
const OF_MAPS = ['opacity', 'sign', 'scale', 'colors', 'sort', 'filter'];
/** Controls that arrow keys belong to. */
const OWN_ARROWS = 'select, textarea, input:not([type="checkbox"]), [data-arrows]';

/** One slot for every control. A slot is filled anew when what it shows has changed, but not while it has the focus. */
export class Bar {
  constructor(state, store) {
    Object.assign(this, { state, store, inputs: null, slots: {} });
    this.element = el('div', { className: 'bar', role: 'group', 'aria-label': 'What is drawn' });
    this.element.addEventListener('focusout', () => setTimeout(() => this.update(this.inputs)));
    document.addEventListener('keydown', (event) => this.key(event));
  }

  update(inputs) {
    this.inputs = inputs;
    if (!this.store.index) return;
    for (const [name, [shown, make]] of Object.entries(this.controls())) this.fill(name, JSON.stringify(shown), make);
    const idle = WITHOUT_MAPS.includes(this.state.view);
    const boxes = OF_MAPS.flatMap((name) => [...this.slots[name].querySelectorAll('select, input')]);
    boxes.forEach((box) => (box.disabled = idle));
  }

  fill(name, shown, make) {
    this.slots[name] ??= this.element.appendChild(el('div', { className: `slot ${name}` }));
    const slot = this.slots[name];
    if (slot.dataset.shown === shown || slot.contains(document.activeElement)) return;
    slot.dataset.shown = shown;
    slot.replaceChildren(...[make()].flat());
  }

  /** `{name: [what it shows, how it is made]}`. */
  controls() {
    const { state } = this;
    const pick = (label, name, options) => [
      [options, state[name]],
      () => choice(label, name, options, state[name], (value) => state.set({ [name]: value })),
    ];
    return {
      runs: this.runs(),
      method: this.method(),
      input: this.input(),
      step: this.step(),
      opacity: this.opacity(),
      sign: pick('Sign', 'sign', SIGNS),
      scale: pick('Full color at', 'scale', SCALES),
      colors: this.colors(),
      sort: pick('Sort by', 'sort', this.sorts()),
      filter: pick('Show', 'filter', FILTERS),
    };
  }

  method() {
    const { state, store } = this;
    const [methods, method] = [state.methodsOf(store), state.methodOf(store)];
    const change = (value) => state.set({ method: value });
    return [[methods, method], () => choice('Method', 'method', methods, method, change)];
  }

  /** The ways of sorting; that by fidelity names the metric. */
  sorts() {
    const { state, store } = this;
    const entries = state.runsOf(store).map((run) => store.index.runs[run].methods[state.methodOf(store)]);
    const [metric] = metrics(entries.find((entry) => entry?.columns.length) ?? null);
    const named = (text) => (metric ? `${text} (${metric})` : text);
    return SORTS.map(([name, text]) => [name, name === 'fidelity' ? named(text) : text]);
  }

  runs() {
    const { state, store } = this;
    const chosen = state.runsOf(store);
    const change = (run, on) => {
      const before = state.runsOf(store); // the boxes may be older
      const kept = store.runs.filter((each) => (each === run ? on : before.includes(each)));
      // Nothing in the address stands for all runs; a comma alone, for none.
      const none = kept.length ? kept.map(encodeURIComponent).join() : ',';
      state.set({ runs: kept.length === store.runs.length ? '' : none });
    };
    const box = (run, i) => {
      const title = store.index.runs[run].title;
      const label = tick(title, `run-${title}`, chosen.includes(run), (on) => change(run, on));
      label.style.setProperty('--run', RUNS[i % RUNS.length]);
      return label;
    };
    const make = () => el('fieldset', {}, el('legend', { textContent: 'Runs' }), ...store.runs.map(box));
    return [[store.runs, chosen], make];
  }

  input() {
    const { state, inputs } = this;
    const names = inputs?.leaves.map(({ name }) => name) ?? [];
    const value = names.includes(state.input) ? state.input : names[0];
    const make = () => choice('Input', 'input', names, value, (name) => state.set({ input: name }));
    return [[names, value], () => (names.length > 1 ? make() : [])];
  }

  step() {
    const { state, store } = this;
    const steps = store.steps(state.runsOf(store), state.methodOf(store));
    const place = Math.max(0, steps.indexOf(state.stepOf(store)));
    const text = (at) => (steps.length ? `epoch ${steps[at]}, ${at + 1} of ${steps.length}` : 'none');
    const range = [0, Math.max(0, steps.length - 1), 1];
    return [[steps, place], () => slider('Step', 'step', range, place, (at) => this.go(at), text)];
  }

  /** To a place among the steps. */
  go(place) {
    const { state, store } = this;
    const steps = store.steps(state.runsOf(store), state.methodOf(store));
    if (place >= 0 && place < steps.length) state.set({ step: state.stepText(store, steps[place]) });
  }

  opacity() {
    const { state } = this;
    const change = (value) => state.set({ opacity: value });
    const text = (value) => value.toFixed(2);
    return [[state.opacity], () => slider('Opacity', 'opacity', [0, 1, 0.05], state.opacity, change, text)];
  }

  colors() {
    const { state } = this;
    const make = () => {
      const label = choice('Colors', 'colors', Object.keys(MAPS), state.colors, (colors) => state.set({ colors }));
      label.firstChild.after(legend(state));
      return label;
    };
    return [[state.colors, state.sign], make];
  }

  /** Left and right go through the steps, wherever they have no sense of their own. */
  key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const plain = !event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.defaultPrevented;
    if (!by || !plain || !this.store.index || event.target.closest?.(OWN_ARROWS)) return;
    const { state, store } = this;
    const steps = store.steps(state.runsOf(store), state.methodOf(store));
    this.go(steps.indexOf(state.stepOf(store)) + by);
    event.preventDefault();
  }
}

/** The colors from − to +, or by size alone. */
function legend({ colors, sign }) {
  const size = sequential(colors) || sign === 'absolute';
  const canvas = el('canvas', { width: 101, height: 1 });
  const context = canvas.getContext('2d');
  for (let i = 0; i <= 100; i++) {
    context.fillStyle = css(size ? i / 100 : i / 50 - 1, colors);
    context.fillRect(i, 0, 1, 1);
  }
  const ends = size ? ['0', 'max'] : ['−', '+'];
  return el('span', { className: 'legend', 'aria-hidden': 'true' }, ends[0], canvas, ends[1]);
}
