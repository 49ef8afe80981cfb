/** The page: navigation, the bar of controls, what is wrong, and the chosen view. */

import { Bar } from './bar.js';
import { dark, onAddress, onReload, onTheme } from './host.js';
import { el, notice } from './dom.js';
import { shows, VIEWS } from './navigation.js';
import { server } from './source.js';
import { State } from './state.js';
import { Store } from './store.js';

const EMPTY =
  'There are no attributions in these logs yet. Write some while a model is trained: ' +
  'model.fit(x, y, callbacks=[xai.callbacks.AttributionBoard("logs/run", x, y)]).';

/** In the order of their names, in which the page that is one file has them too. */
const SHEETS = ['style', 'style_bar', 'style_gallery', 'style_signals'];
const sheet = (name) => el('link', { rel: 'stylesheet', href: `./static/${name}.css` });

/** Shows the data of a source, TensorBoard's server where none is given, in the document. */
export async function render(source = server) {
  const page = new Page(new Store(source), new State(), dress());
  document.body.replaceChildren(page.header, page.problems, page.main);
  onReload(() => page.load());
  onAddress(() => page.readAddress());
  window.addEventListener('resize', () => page.ask());
  await page.load();
}

/** Language, title, style and theme: TensorBoard's entry page has none of them. Resolves when the style is there. */
function dress() {
  document.documentElement.lang = 'en';
  document.title ||= 'XAI';
  const links = document.getElementById('xai-style') ? [] : SHEETS.map(sheet);
  document.head.append(...links);
  const theme = () => document.body.classList.toggle('dark', dark());
  theme();
  onTheme(theme);
  return Promise.all(links.map((link) => new Promise((done) => (link.onload = link.onerror = done))));
}

class Page {
  constructor(store, state, styled) {
    Object.assign(this, { store, state, styled, asked: 0, shown: 0, kinds: new Set() });
    this.bar = new Bar(state, store);
    this.navigation = el('nav', { 'aria-label': 'Views' });
    this.header = el('header', {}, this.navigation, this.bar.element);
    this.problems = el('div', { className: 'problems', role: 'status' });
    this.main = el('main', { tabIndex: 0 }, notice('Reading the logs …'));
    state.onChange(() => this.ask());
  }

  /** Reads the index, and draws. */
  async load() {
    try {
      await Promise.all([this.store.load(), this.styled]);
      this.failed = null;
    } catch (error) {
      this.failed = `The logs cannot be read: ${error.message}`;
    }
    await this.ask();
  }

  readAddress() {
    this.state.read();
    this.ask();
  }

  /** Draws in the next animation frame, once for all that has changed until then. */
  ask() {
    this.since ??= performance.now();
    document.body.dataset.waiting = ''; // until the newest drawing is shown
    this.next ??= new Promise((done) => requestAnimationFrame(done)).then(() => {
      this.next = null;
      return this.draw();
    });
    return this.next;
  }

  /** Draws the chosen view; what comes later than a newer drawing is dropped. */
  async draw() {
    const [number, since] = [++this.asked, this.since];
    this.since = null;
    const { view } = this.state;
    const [element] = await Promise.all([this.view(), this.controls()]);
    if (number < this.shown || view !== this.state.view) return;
    this.shown = number;
    this.show(element);
    document.body.dataset.ms = (performance.now() - since).toFixed(1);
    document.body.dataset.drawn = number;
    if (number === this.asked && !this.next) delete document.body.dataset.waiting;
    this.ahead();
  }

  async controls() {
    if (!this.store.index) return;
    const { state, store } = this;
    const run = state.runsOf(store)[0] ?? store.runs[0];
    const inputs = run ? await store.inputs(run) : null;
    inputs?.leaves.forEach(({ kind }) => this.kinds.add(kind));
    this.bar.update(inputs);
    this.navigate();
  }

  navigate() {
    const { state, store, kinds } = this;
    const button = (name, text) =>
      el('button', {
        textContent: text,
        disabled: !shows(name, store, kinds),
        onclick: () => state.set({ view: name }),
        'data-testid': `view-${name}`,
        'data-key': `view-${name}`,
        ...(state.view === name ? { 'aria-current': 'page' } : {}),
      });
    refill(this.navigation, Object.entries(VIEWS).map(([name, { title }]) => button(name, title)));
  }

  /** The view's element; a notice where there is nothing to draw, or the view fails. */
  async view() {
    const { state, store } = this;
    this.error = null;
    if (!store.index) return notice(this.failed);
    if (!store.runs.length) return notice(EMPTY);
    if (!state.runsOf(store).length) return notice('No run is chosen: tick one above.');
    try {
      return await (VIEWS[state.view] ?? VIEWS.gallery).draw({ state, store });
    } catch (error) {
      this.error = `${state.view}: ${error.message}`;
      console.warn(error);
      return notice('This view cannot be drawn; the reason stands above. The other views may show more.');
    }
  }

  show(element) {
    if (element !== this.main.firstChild) refill(this.main, [element]);
    element.dispatchEvent(new Event('shown')); // the element is in the page, and not yet painted
    this.report();
  }

  /** What is wrong, in words. */
  report() {
    const texts = [...new Set([...this.store.problems, this.failed, this.error].filter(Boolean))];
    if (texts.join() === this.problems.dataset.texts) return;
    this.problems.dataset.texts = texts.join();
    this.problems.replaceChildren(...texts.map((text) => el('p', { textContent: text })));
  }

  /** Reads what is likely to be asked for next: the epochs beside, and other methods, of which it learns the kinds. */
  async ahead() {
    const { state, store } = this;
    if (!store.runs?.length) return;
    const [runs, method] = [state.runsOf(store), state.methodOf(store)];
    const steps = store.steps(runs, method);
    const place = steps.indexOf(state.stepOf(store));
    const beside = [steps[place + 1], steps[place - 1]].filter((step) => step !== undefined);
    for (const step of beside) await Promise.all(runs.map((run) => store.maps(run, method, step)));
    for (const name of store.methods()) {
      const maps = await store.maps(store.runs.find((run) => store.steps([run], name).length), name, Infinity);
      maps?.leaves.forEach(({ kind }) => this.kinds.add(kind));
    }
    this.navigate();
    this.report();
  }
}

/** Puts children in place of the old ones; what had the focus keeps it, by its `data-key`. */
function refill(parent, children) {
  const key = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  parent.replaceChildren(...children);
  if (key !== undefined) parent.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}
