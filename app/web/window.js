// What belongs to the whole window: language, theme, title, address, focus after a page change, and
// the notice when the server cannot be reached.
function deepFind(root, selector) {
  const found = root.querySelector(selector);
  if (found) return found;
  for (const element of root.querySelectorAll('*')) {
    const inner = element.shadowRoot && deepFind(element.shadowRoot, selector);
    if (inner) return inner;
  }
  return null;
}

// Bokeh draws a new page more than once and each time takes the focus away: it is given again until the
// page has been quiet for a while, unless the reader has moved it elsewhere.
function focusHeading(page, until = performance.now() + 5000, given = null) {
  const now = performance.now();
  const heading = deepFind(document.querySelector('main'), `h1[data-page="${page}"]`);
  if (heading && !heading.matches(':focus') && (given === null || document.activeElement === document.body)) {
    heading.focus({preventScroll: true});
    if (given === null) window.scrollTo(0, 0);
    given = now;
  }
  if (now < until && (given === null || now - given < 800)) {
    requestAnimationFrame(() => focusHeading(page, until, given));
  }
}

async function answers() {
  try {
    return (await fetch('alive', {cache: 'no-store'})).ok;
  } catch {
    return false;
  }
}

export function render({model}) {
  const live = document.createElement('div');
  live.setAttribute('aria-live', 'polite');
  live.className = 'unseen';
  const notice = document.getElementById('notice');
  const words = () => {
    const root = document.documentElement;
    root.lang = model.tag;
    root.dataset.theme = model.dark ? 'dark' : 'light';
    document.title = model.title;
    if (!notice.hidden) notice.textContent = model.offline;
  };
  for (const name of ['tag', 'dark', 'title', 'offline']) model.on(name, words);
  model.on('announcement', () => {
    live.textContent = model.announcement;
  });
  model.on('msg:custom', (message) => {
    if (message.heading) focusHeading(message.heading);
    if (message.address !== undefined && message.address !== location.search) {
      history[message.replace ? 'replaceState' : 'pushState'](null, '', message.address);
    }
  });
  window.addEventListener('popstate', () => model.send_msg({act: 'address', value: location.search}));
  let lost = false;
  const offline = async () => {
    if (lost) return;
    lost = true;
    notice.textContent = model.offline;
    notice.hidden = false;
    document.querySelector('main').classList.add('stale');
    while (!(await answers())) await new Promise((done) => setTimeout(done, 1000));
    location.reload();  // the address holds what was looked at
  };
  window.addEventListener('advisor-connection-lost', offline);
  words();
  return live;
}
