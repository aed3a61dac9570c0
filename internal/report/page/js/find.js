// Finding a prefix by a part of its name.

const MOST_FOUND = 12;

// finder is a box to type in, with what was found below it; pick is called with
// the node that was chosen.
function finder(root, view, pick) {
  let index = null, found = [], at = -1;
  const list = el('ul', { class: 'found', role: 'listbox', id: 'found', 'aria-label': 'Prefixes found', hidden: true });
  const said = el('span', { class: 'unseen', role: 'status' });
  const input = el('input', {
    type: 'search', placeholder: 'Find a prefix', 'aria-label': 'Find a prefix', autocomplete: 'off', spellcheck: 'false',
    role: 'combobox', 'aria-expanded': 'false', 'aria-controls': 'found', 'aria-autocomplete': 'list',
  });

  function search() {
    const sought = input.value.trim().toLowerCase();
    if (!sought) return close();
    // Made when first needed: most readers never search.
    index ||= flatten(root).slice(1).map(node => ({ node, text: visible(node.path).toLowerCase() }));
    const all = index.filter(entry => entry.text.includes(sought)).map(entry => entry.node);
    const of = MEASURES[view.measure].of;
    found = all.sort((a, b) => of(b) - of(a)).slice(0, MOST_FOUND);
    at = found.length ? 0 : -1;
    show(all.length);
  }

  function show(total) {
    const options = found.map((node, i) => el('li', {
      role: 'option', id: `found-${i}`, 'aria-selected': String(i === at), onpointerdown: e => { e.preventDefault(); choose(i); },
    }, named(node.path, 64), el('span', { class: 'value' }, MEASURES[view.measure].show(MEASURES[view.measure].of(node)))));
    if (total > found.length) options.push(el('li', { class: 'about', role: 'presentation' }, `and ${count(total - found.length)} more`));
    if (!total) options.push(el('li', { class: 'about', role: 'presentation' }, 'No prefix in this report has that in its name.'));
    list.replaceChildren(...options);
    list.hidden = false;
    input.setAttribute('aria-expanded', 'true');
    said.textContent = `${count(total)} found`;
    point();
  }

  function point() {
    if (at < 0) input.removeAttribute('aria-activedescendant');
    else input.setAttribute('aria-activedescendant', `found-${at}`);
    found.forEach((_, i) => list.children[i].setAttribute('aria-selected', String(i === at)));
    if (at >= 0) list.children[at].scrollIntoView({ block: 'nearest' });
  }

  function close() {
    list.hidden = true;
    found = [];
    at = -1;
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
    said.textContent = '';
  }

  function choose(i) {
    const node = found[i];
    input.value = '';
    close();
    pick(node);
  }

  input.addEventListener('input', search);
  input.addEventListener('blur', close);
  input.addEventListener('keydown', e => {
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      if (!found.length) return;
      at = (at + (e.key === 'ArrowDown' ? 1 : found.length - 1)) % found.length;
      point();
    } else if (e.key === 'Enter' && at >= 0) choose(at);
    else if (e.key === 'Escape' && input.value) {
      input.value = '';
      close();
    } else return;
    e.preventDefault();
  });
  return el('div', { class: 'finder' }, input, list, said);
}
