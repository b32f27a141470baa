// Puts a new state in the old one's place, element by element: what is open, has the keyboard or is being
// written in stays as it is, and nothing moves that did not change.
const keep = n => n === 'open' || n === 'aria-busy';
const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || '') === (b.id || '');
const morph = (a, b) => {
  if (a.nodeType !== 1) { if (a.data !== b.data) a.data = b.data; return; }
  for (const { name } of [...a.attributes]) if (!keep(name) && !b.hasAttribute(name)) a.removeAttribute(name);
  for (const { name, value } of b.attributes) if (a.getAttribute(name) !== value) a.setAttribute(name, value);
  if (a.nodeName === 'INPUT') return;
  let at = a.firstChild;
  for (const want of [...b.childNodes]) {
    let have = at && same(at, want) ? at : null;
    for (let n = at; !have && want.id && n; n = n.nextSibling) if (same(n, want)) have = n;
    if (!have) { a.insertBefore(want, at); continue; }
    if (have === at) at = at.nextSibling; else a.insertBefore(have, at);
    morph(have, want);
  }
  while (at) { const next = at.nextSibling; at.remove(); at = next; }
};
