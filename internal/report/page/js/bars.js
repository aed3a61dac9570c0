// Distributions: what the bucket holds by age, size, class and suffix.

// SPREADS are what the length of a bar can mean.
const SPREADS = {
  bytes: { label: 'Bytes', of: a => a.bytes, show: bytes },
  count: { label: 'Versions', of: a => a.count, show: count },
  cost: { label: 'Cost', of: a => a.cost_per_month, show: dollars },
};

function distributions(report) {
  const panels = el('div', { class: 'panels' });
  const draw = spread => panels.replaceChildren(
    panel('By age', report.ages, spread, 'Age'),
    panel('By size', report.sizes, spread, 'Size'),
    panel('By storage class', report.classes, spread, 'Class'),
    panel('By suffix', report.suffixes, spread, 'Suffix'));
  draw(SPREADS.bytes);
  return section('distributions', 'How it divides',
    el('div', { class: 'controls' },
      choice('What the bars mean', Object.entries(SPREADS).map(([v, s]) => [v, s.label]), 'bytes', v => draw(SPREADS[v])),
      el('div', { class: 'legend' }, swatch('current', 'current versions'), swatch('noncurrent', 'noncurrent versions'))),
    panels);
}

// panel draws one distribution as a table with bars in it.
function panel(title, rows, spread, head) {
  rows = (rows || []).map((row, order) => ({ ...row, order, now: spread.of(row.current), old: spread.of(row.noncurrent) }));
  const most = Math.max(...rows.map(r => r.now + r.old), 0);
  const total = rows.reduce((sum, r) => sum + r.now + r.old, 0);
  const filled = rows.some(r => r.current.count + r.noncurrent.count + r.delete_markers > 0);
  return el('div', { class: 'panel' }, el('h3', {}, title), !filled ? el('p', { class: 'about' }, 'Nothing to show.')
    : table(`${title}, in ${spread.label.toLowerCase()}`, [
      // Ranges go up; a sort by their names would not.
      { head, value: r => r.order, show: rowName },
      { bar: r => bar(r.now, r.old, most) },
      { head: spread.label, number: true, value: r => r.now + r.old, show: r => spread.show(r.now + r.old) },
      { head: 'Share', number: true, value: r => r.now + r.old, show: r => percent(r.now + r.old, total) },
    ], rows));
}

function rowName(row) {
  if (row.other) return el('i', {}, 'all others');
  return row.name === '' ? el('i', {}, 'none') : named(row.name, 26);
}

// bar draws two amounts one after the other, as shares of the largest sum.
function bar(now, old, most) {
  const piece = (kind, n) => n > 0
    ? el('i', { class: kind, style: { width: `${100 * n / most}%` } })
    : null;
  return el('span', { class: 'bars', 'aria-hidden': 'true' }, piece('current', now), piece('noncurrent', old));
}
