(() => {
const d = document, by = id => d.getElementById(id), meta = n => d.querySelector(`meta[name=${n}]`).content;
const main = by('main'), lost = by('lost'), note = by('note');
d.documentElement.classList.add('live');

const lock = () => {
  const on = !!d.querySelector('#bar:not(.still)');
  for (const b of d.querySelectorAll('button[data-only]')) {
    b.setAttribute('aria-disabled', on);
    b.removeAttribute('aria-busy');
  }
};

let busy = false, more = false;
const refresh = async () => {
  if (busy) { more = true; return; }
  busy = true;
  do {
    more = false;
    try {
      const got = await fetch('/?part=main&lang=' + d.documentElement.lang, { cache: 'no-store', signal: AbortSignal.timeout(10000) });
      if (got.ok) {
        const box = d.createElement('template');
        box.innerHTML = await got.text();
        morph(main, box.content.firstElementChild);
        d.title = main.dataset.title;
        lock();
        lost.hidden = true;
      }
    } catch { lost.hidden = false; }
    await new Promise(done => setTimeout(done, 250));
  } while (more);
  busy = false;
};
const listen = () => {
  const events = new EventSource('/api/events');
  events.addEventListener('changed', e => {
    if (JSON.parse(e.data).instance !== meta('instance')) location.reload(); else refresh();
  });
  events.onerror = () => {
    if (events.readyState === 2) { events.close(); setTimeout(listen, 5000); }
    refresh();
  };
};
const post = async (path, body) => {
  note.hidden = true;
  try {
    const got = await fetch(path + '?lang=' + d.documentElement.lang, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-bridgepoint-token': meta('token') },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(10000),
    });
    const said = await got.json();
    if (!got.ok) { note.textContent = said.error || note.dataset.old; note.hidden = false; }
    refresh();
    return got.ok;
  } catch { lost.hidden = false; refresh(); return false; }
};
d.addEventListener('click', e => {
  const b = e.target.closest('button[data-only]');
  if (!b || b.getAttribute('aria-disabled') === 'true') return;
  b.setAttribute('aria-busy', 'true');
  post('/api/check', { only: JSON.parse(b.dataset.only) });
});
d.addEventListener('submit', async e => {
  e.preventDefault();
  const form = e.target;
  if (await post('/api/baseline', Object.fromEntries(new FormData(form)))) { form.reset(); by('base').open = false; }
});
lock();
listen();
setInterval(refresh, 30000);
})();
