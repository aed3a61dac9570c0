// Tables that can be sorted by any of their columns.

// A column: { head, value(row) to sort by, show(row) as text or node (else the
// value), number: flush right and largest first, bar: a picture, not for sorting }.

// table makes a table of rows, of which it shows the first `most` until asked.
// Unless sort is given the rows stay as they come.
function table(label, columns, rows, { most = 12, sort = null, descending = true } = {}) {
  let all = rows.length <= most + 3; // a button that would show three more is a nuisance
  let by = sort, down = descending;
  const body = el('tbody');
  const heads = columns.map((c, i) => head(c, () => {
    down = by === i ? !down : Boolean(c.number);
    by = i;
    draw();
  }));
  const more = el('button', { type: 'button', class: 'more', onclick: () => { all = true; draw(); } });

  function draw() {
    heads.forEach((h, i) => i === by
      ? h.setAttribute('aria-sort', down ? 'descending' : 'ascending')
      : h.removeAttribute('aria-sort'));
    const sorted = by === null ? rows : sortRows(rows, columns[by].value, down);
    body.replaceChildren(...(all ? sorted : sorted.slice(0, most)).map(r => line(columns, r)));
    more.textContent = `Show all ${count(rows.length)}`;
    more.hidden = all;
  }

  const wrap = el('div', { class: 'table' },
    // What is wider than the screen scrolls in here, by keyboard too.
    el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': label },
      el('table', {}, el('caption', {}, label), el('thead', {}, el('tr', {}, ...heads)), body)),
    more);
  wrap.show = now => { rows = now; all = rows.length <= most + 3; draw(); };
  draw();
  return wrap;
}

function head(column, onsort) {
  if (column.bar) return el('td', { class: 'bar' });
  return el('th', { scope: 'col', class: column.number ? 'number' : null }, el('button', { type: 'button', onclick: onsort }, column.head));
}

function line(columns, row) {
  return el('tr', {}, ...columns.map((c, i) => {
    const content = c.bar ? c.bar(row) : c.show ? c.show(row) : c.value(row);
    const attributes = { class: [c.number && 'number', c.bar && 'bar', c.class].filter(Boolean).join(' ') || null };
    return i === 0 ? el('th', { scope: 'row', ...attributes }, content) : el('td', attributes, content);
  }));
}

// sortRows sorts a copy; equal rows keep their order.
function sortRows(rows, value, down) {
  const compare = (a, b) => {
    const x = value(a), y = value(b);
    return x < y ? -1 : x > y ? 1 : 0;
  };
  return [...rows].sort(down ? (a, b) => compare(b, a) : compare);
}
