const d = document, by = id => d.getElementById(id), main = by('main');
let waiting = null;

const part = async (url, what) => {
  const to = new URL(url, location.href);
  to.searchParams.set('part', what);
  const got = await fetch(to, { cache: 'no-store', signal: AbortSignal.timeout(15000) });
  if (!got.ok) throw new Error(got.status);
  const box = d.createElement('template');
  box.innerHTML = await got.text();
  return box.content.firstElementChild;
};
const ids = list => [...list.children].filter(row => row.id).map(row => row.id).join('\n');
// The rows that a fold has opened to stand behind it and are not the server's.
const opened = new Map();
const close = id => { for (const row of opened.get(id) || []) row.remove(); };
const show = async link => {
  const fold = link.closest('tr');
  const rows = [...(await part(link.href, 'rows')).querySelectorAll('tr')];
  close(fold.id);
  for (const row of rows) { row.classList.add('sub'); row.removeAttribute('id'); }
  opened.set(fold.id, rows);
  fold.after(...rows);
  link.setAttribute('aria-expanded', 'true');
};
const put = next => {
  for (const id of opened.keys()) close(id);
  morph(main, next);
  d.title = main.dataset.title;
  for (const [id, rows] of opened) {
    const link = by(id)?.querySelector('.open');
    if (!link) { opened.delete(id); continue; }
    by(id).after(...rows);
    link.setAttribute('aria-expanded', 'true');
    show(link).catch(() => {});
  }
};
const reading = () => {
  const table = by('rooms');
  return table && (table.matches(':hover') || table.contains(d.activeElement));
};
// Nothing is put in another order while somebody points at it: rows that stay are renewed where they are,
// rows that have gone elsewhere fade, and a button brings the new order.
const renew = next => {
  const rows = by('rows'), fresh = next.querySelector('#rows');
  if (!rows || !fresh || ids(rows) === ids(fresh) || !reading()) { waiting = null; put(next); return; }
  for (const id of ['next', 'nums', 'sum']) {
    const fresh = next.querySelector('#' + id);
    if (by(id) && fresh) morph(by(id), fresh);
  }
  const now = new Map([...fresh.children].map(row => [row.id, row]));
  for (const row of [...rows.children].filter(row => row.id)) {
    const same = now.get(row.id);
    if (same && !row.classList.contains('fold')) morph(row, same.cloneNode(true));
    else if (!same) row.classList.add('gone');
  }
  waiting = next;
  by('sort').hidden = false;
};
const sort = () => { if (waiting) { const next = waiting; waiting = null; put(next); } };

let timer = 0, busy = false;
const refresh = () => {
  if (timer || busy) return;
  timer = setTimeout(async () => {
    timer = 0;
    busy = true;
    try { renew(await part(location.href, 'main')); } catch { /* asked again at the next change, or in a minute */ }
    setTimeout(() => { busy = false; if (missed) { missed = false; refresh(); } }, 1500);
  }, 300);
};
let missed = false;
const changed = at => {
  if (main.dataset.live !== 'all' && main.dataset.live !== at) return;
  if (busy) missed = true; else refresh();
};
const listen = () => {
  const events = new EventSource('/api/events');
  events.addEventListener('room', e => changed(e.data));
  events.addEventListener('all', () => changed(main.dataset.live));
  let lost = false;
  events.onopen = () => { if (lost) { lost = false; refresh(); } };
  events.onerror = () => { lost = true; if (events.readyState === 2) { events.close(); setTimeout(listen, 15000); } };
};
d.addEventListener('click', e => {
  if (e.target.closest('#sort')) { sort(); return; }
  const link = e.target.closest('a.open');
  if (!link || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
  e.preventDefault();
  const fold = link.closest('tr');
  if (opened.has(fold.id)) { close(fold.id); opened.delete(fold.id); link.setAttribute('aria-expanded', 'false'); }
  else show(link).catch(() => { location.href = link.href; });
});
d.addEventListener('mouseout', e => { if (waiting && !e.relatedTarget?.closest?.('#rooms') && !reading()) sort(); });
listen();
setInterval(refresh, 60000);
