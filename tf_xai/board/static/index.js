/** The page: navigation, the bar of controls, what is wrong, and the chosen view. */

import { Bar } from './bar.js';
import { strangers } from './cells.js';
import { dark, onAddress, onReload, onTheme } from './host.js';
import { el, notice } from './dom.js';
import { Navigation, VIEWS } from './navigation.js';
import { server } from './source.js';
import { State } from './state.js';
import { Store } from './store.js';

const EMPTY =
  'There are no attributions in these logs yet. Write some while a model is trained: ' +
  'model.fit(x, y, callbacks=[xai.callbacks.AttributionBoard("logs/run", x, y)]).';

const BROKEN = 'This view cannot be drawn; the reason stands above. The other views may show more.';

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
    Object.assign(this, { store, state, styled, asked: 0, shown: 0, doubts: [] });
    this.bar = new Bar(state, store);
    this.navigation = new Navigation(state, store);
    this.header = el('header', {}, this.navigation.element, this.bar.element);
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
    }).catch((error) => {
      this.doubts = [told(this.state.view)(error)];
      this.report();
    });
    return this.next;
  }

  /** Draws the chosen view; what comes later than a newer drawing is dropped. */
  async draw() {
    const [number, since] = [++this.asked, this.since];
    this.since = null;
    const { view } = this.state;
    const [{ element, error }, wrong] = await Promise.all([this.view(), this.controls().catch(told('controls'))]);
    if (number < this.shown || view !== this.state.view) return;
    this.shown = number;
    this.doubts = [error, wrong];
    this.show(element, view);
    this.report();
    document.body.dataset.ms = (performance.now() - since).toFixed(1);
    document.body.dataset.drawn = number;
    if (number === this.asked && !this.next) delete document.body.dataset.waiting;
    this.ahead(number).catch(told('reading ahead'));
  }

  /** Fills bar and navigation; says which runs show other examples. */
  async controls() {
    if (!this.store.index) return null;
    const { state, store } = this;
    const runs = state.runsOf(store);
    const all = await Promise.all((runs.length ? runs : store.runs.slice(0, 1)).map((run) => store.inputs(run)));
    this.navigation.learn(all);
    this.bar.update(all.find(Boolean) ?? null);
    this.navigation.update();
    return strangers(runs, all, store);
  }

  /** `{element, error}`: the view's element; a notice where there is nothing to draw, or the view fails. */
  async view() {
    const { state, store } = this;
    if (!store.index) return { element: notice(this.failed) };
    if (!store.runs.length) return { element: notice(EMPTY) };
    if (!state.runsOf(store).length) return { element: notice('No run is chosen: tick one above.') };
    try {
      return { element: await VIEWS[state.view].draw({ state, store }) };
    } catch (error) {
      return { element: notice(BROKEN), error: told(state.view)(error) };
    }
  }

  /** Puts an element into the page and tells it, with "shown", before it is painted; the old one hears of "gone". */
  show(element, view) {
    const { main } = this;
    const [old, inside] = [main.firstChild, main.contains(document.activeElement)];
    if (element !== old) {
      old?.dispatchEvent(new Event('gone'));
      refill(main, [element]);
    }
    if (view !== main.dataset.view) main.scrollTop = 0;
    main.dataset.view = view;
    if (inside && !main.contains(document.activeElement)) main.focus({ preventScroll: true });
    element.dispatchEvent(new Event('shown'));
  }

  /** What is wrong, in words. */
  report() {
    const texts = [...new Set([...this.store.problems, this.failed, ...this.doubts.flat()].filter(Boolean))];
    if (texts.join() === this.problems.dataset.texts) return;
    this.problems.dataset.texts = texts.join();
    this.problems.replaceChildren(...texts.map((text) => el('p', { textContent: text })));
    const named = { 'aria-label': 'Problems', tabindex: 0 }; // it scrolls
    for (const [name, value] of Object.entries(named)) {
      if (texts.length) this.problems.setAttribute(name, value);
      else this.problems.removeAttribute(name);
    }
  }

  /** Reads what is likely to be asked for next, the epochs beside, and what kinds of maps there are. */
  async ahead(number) {
    const { state, store } = this;
    const newest = () => number === this.asked && !this.next;
    if (!store.runs?.length) return;
    const [runs, method] = [state.runsOf(store), state.methodOf(store)];
    const steps = store.steps(runs, method);
    const place = steps.indexOf(state.stepOf(store));
    const beside = [steps[place + 1], steps[place - 1]].filter((step) => step !== undefined);
    for (const step of beside) {
      if (newest()) await Promise.all(runs.map((run) => store.maps(run, method, step)));
    }
    await this.navigation.explore(newest);
    if (newest()) this.report();
  }
}

/** Notes an error for those who look into the browser's console; returns it in words. */
const told = (what) => (error) => {
  console.error(error);
  return `${what}: ${error.message}`;
};

/** Puts children in place of the old ones; what had the focus keeps it, by its `data-key`. */
function refill(parent, children) {
  const key = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  parent.replaceChildren(...children);
  if (key !== undefined) parent.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}
