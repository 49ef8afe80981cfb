/** The page around: TensorBoard, whose address bar and theme it is, or none. */

const PLUGIN = 'tf_xai';

/** The window whose address people see; of TensorBoard where its page is of the same origin. */
const top = (() => {
  try {
    return window.parent.location.hash === undefined ? window : window.parent;
  } catch {
    return window;
  }
})();
const within = top !== window;
const prefix = within ? `p.${PLUGIN}.` : '';

/** `{name: text}` from the address. */
export function readAddress() {
  const [, ...parts] = within ? top.location.hash.slice(1).split('&') : ['', ...top.location.hash.slice(1).split('&')];
  const pairs = parts.map((part) => part.split('=').map(decoded)).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(pairs.map(([name, value]) => [name.slice(prefix.length), value ?? '']));
}

/** The text as it was; of what is no such text, the text. */
export function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Browsers take only some changes of the address in a second. */
const PAUSE = 100;
let [written, later] = [-Infinity, null];

/** Puts `{name: text}` into the address, without a step of the browser's history; of many in a row, the last. */
export function writeAddress(values) {
  clearTimeout(later);
  const wait = written + PAUSE - performance.now();
  if (wait > 0) later = setTimeout(put, wait, values);
  else put(values);
}

function put(values) {
  written = performance.now();
  const parts = Object.entries(values).map(([name, value]) => `${prefix}${name}=${encodeURIComponent(value)}`);
  const hash = `#${[...(within ? [PLUGIN] : []), ...parts].join('&')}`;
  const here = top.location.href.split('#')[0]; // by itself a "#" would belong to the base address
  if (within && !top.location.hash.startsWith(`#${PLUGIN}`)) return; // another tab is open
  top.history.replaceState(top.history.state, '', here + hash);
}

/** Calls `then` whenever people change the address, by hand or by the browser's history. */
export function onAddress(then) {
  top.addEventListener('hashchange', () => (!within || top.location.hash.startsWith(`#${PLUGIN}`)) && then());
}

/** Whether the page around is dark. */
export function dark() {
  return within
    ? top.document.body.classList.contains('dark-mode')
    : window.matchMedia('(prefers-color-scheme: dark)').matches;
}

/** Calls `then` whenever that changes. */
export function onTheme(then) {
  if (within) new MutationObserver(then).observe(top.document.body, { attributeFilter: ['class'] });
  else window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', then);
}

/** Calls `then` whenever TensorBoard has read its logs again: the guest's half of its messages between frames. */
export function onReload(then) {
  if (!within) return;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.isReply) return;
    if (message.type === 'experimental.DataReloaded') then();
    port1.postMessage(JSON.stringify({ ...message, payload: null, error: null, isReply: true }));
  };
  top.postMessage('experimental.bootstrap', '*', [port2]);
}
