// The parts of the page that are figures and tables.

// masthead says what was looked at.
function masthead(report) {
  const s = report.snapshot;
  const within = report.prefix || s.prefix;
  return el('header', { class: 'masthead' },
    el('div', { class: 'bar-top' }, el('p', { class: 'brand' }, 'Cooper', el('span', {}, 'report')), themeButton()),
    el('h1', {}, named(s.bucket), within ? el('span', { class: 'within' }, ' / ', named(within)) : null),
    el('p', { class: 'taken' },
      el('span', {}, 'As of ', el('b', {}, time(report.now))),
      el('span', {}, 'Snapshot ', el('span', { class: 'id' }, s.id)),
      s.source ? el('span', { class: 'source' }, 'From ', named(s.source)) : null,
      s.complete ? el('span', { class: 'badge good' }, 'Complete') : el('span', { class: 'badge bad' }, 'Incomplete: there is more than this'),
      s.current_only ? el('span', { class: 'badge' }, 'Noncurrent versions were not listed') : null,
      s.rejected ? el('span', { class: 'badge bad' }, `${plural(s.rejected, 'row')} rejected`) : null));
}

// contents leads to the sections, without touching the address, which is the map's.
function contents(sections) {
  return el('nav', { class: 'contents', 'aria-label': 'Contents' }, ...sections.map(s => {
    const title = s.querySelector('h2');
    return el('a', { href: `#${s.id}`, onclick: e => {
      e.preventDefault();
      s.scrollIntoView();
      title.focus({ preventScroll: true });
    } }, title.textContent);
  }));
}

function figures(report) {
  const { current, noncurrent, delete_markers: markers } = report.total;
  const cost = current.cost_per_month + noncurrent.cost_per_month;
  const all = current.bytes + noncurrent.bytes;
  return el('dl', { class: 'figures' },
    figure('Cost a month', dollars(cost), `${dollars(12 * cost)} a year`, noncurrent.cost_per_month ? `${percent(noncurrent.cost_per_month, cost)} is for noncurrent` : null),
    figure('Objects', count(current.count), all ? `${bytes(current.count ? current.bytes / current.count : 0)} each on average` : null),
    figure('Bytes', bytes(current.bytes), 'in current versions', `${bytes(all)} in all`),
    report.snapshot.current_only ? figure('Noncurrent', '–', 'not listed')
      : figure('Noncurrent', bytes(noncurrent.bytes), `${percent(noncurrent.bytes, all)} of all bytes`, plural(noncurrent.count, 'version')),
    report.snapshot.current_only ? figure('Delete markers', '–', 'not listed')
      : figure('Delete markers', count(markers), 'slow down listings'));
}

// savings lists what one could do about the cost, the most first.
function savings(report) {
  const rules = [...(report.savings || [])].sort((a, b) => b.saves_per_month - a.saves_per_month);
  const { current, noncurrent } = report.total;
  const cost = current.cost_per_month + noncurrent.cost_per_month;
  const most = Math.max(...rules.map(r => r.saves_per_month), 0);
  const back = r => r.saves_per_month > 0 ? r.costs_once / r.saves_per_month : Infinity;
  return section('savings', 'What would cost less',
    el('p', { class: 'about' }, `It costs ${dollars(cost)} a month now: ${dollars(current.cost_per_month)} for current versions, ${dollars(noncurrent.cost_per_month)} for noncurrent ones. `,
      rules.length ? 'The rules below overlap: what they save does not add up.' : 'No rule that is known here would save anything.',
      ` Prices: ${report.prices || 'unknown'}.`),
    rules.length ? el('div', { class: 'rules' }, table('Rules and what they save', [
      { head: 'Rule', value: r => r.title, class: 'rule-name', show: r => [el('span', {}, r.title),
        r.loses ? el('span', { class: 'badge bad' }, 'deletes versions') : null, el('span', { class: 'basis' }, r.basis)] },
      { head: 'Saves a month', number: true, value: r => r.saves_per_month, show: r => el('b', {}, dollars(r.saves_per_month)) },
      { bar: r => bar(Math.max(r.saves_per_month, 0), 0, most) },
      { head: 'Of the cost', number: true, value: r => r.saves_per_month, show: r => percent(r.saves_per_month, cost) },
      { head: 'Affects', number: true, value: r => r.affects.bytes, show: r => [bytes(r.affects.bytes), el('span', { class: 'basis' }, plural(r.affects.count, r.id.includes('upload') ? 'upload' : 'version'))] },
      { head: 'Costs once', number: true, value: r => r.costs_once, show: r => dollars(r.costs_once) },
      { head: 'Paid back', number: true, value: back, show: r => months(back(r)) },
    ], rules, { most: 20, sort: 1 })) : null);
}

function months(n) {
  if (n === 0) return 'at once';
  if (!Number.isFinite(n)) return 'never';
  if (n < 1) return '< 1 month';
  return n < 24 ? plural(Math.ceil(n), 'month') : plural(Math.ceil(n / 12), 'year');
}

function duplicates(report) {
  const d = report.duplicates;
  if (!d) return null;
  const groups = d.largest || [];
  return section('duplicates', 'Duplicates',
    el('p', { class: 'about' }, 'Versions with the same ETag and size: very likely the same bytes.'),
    el('dl', { class: 'figures small' },
      figure('Contents that exist more than once', count(d.groups)),
      figure('Copies beyond the first', bytes(d.extra.bytes), plural(d.extra.count, 'version'), `${dollars(d.extra.cost_per_month)} a month`),
      figure('Among current versions alone', bytes(d.current.bytes), plural(d.current.count, 'version'), `${dollars(d.current.cost_per_month)} a month`)),
    groups.length ? table('The largest groups', [
      { head: 'Some of its keys', value: g => (g.keys || [])[0] || '', class: 'name', show: g => keysOf(g) },
      { head: 'Copies', number: true, value: g => g.copies, show: g => count(g.copies) },
      { head: 'Size of one', number: true, value: g => g.size, show: g => bytes(g.size) },
      { head: 'Beyond the first', number: true, value: g => g.size * (g.copies - 1), show: g => bytes(g.size * (g.copies - 1)) },
      { head: 'ETag', value: g => g.etag, class: 'id', show: g => named(g.etag, 15) },
    ], groups, { most: 10, sort: 3 }) : null);
}

// keysOf shows the first key of a group, and on demand the others that are known.
function keysOf(group) {
  const [first, ...others] = group.keys || [];
  if (first === undefined) return '–';
  if (!others.length) return named(first, 60);
  return el('details', {}, el('summary', {}, named(first, 60)),
    el('ul', {}, ...others.map(k => el('li', {}, named(k))),
      group.copies > group.keys.length ? el('li', { class: 'about' }, `and ${count(group.copies - group.keys.length)} more`) : null));
}

function uploads(report) {
  const u = report.uploads || {};
  const about = !u.seen ? `Not looked at: ${u.why || 'the store was not asked'}.`
    : u.count === 0 ? 'None. Nothing is paid for parts that never became an object.'
    : 'Parts of uploads that were begun and never ended. They are paid for, and no inventory lists them.';
  if (!u.seen || !u.count) return section('uploads', 'Unfinished uploads', el('p', { class: 'about' }, about));
  const some = u.sized < u.count;
  return section('uploads', 'Unfinished uploads', el('p', { class: 'about' }, about),
    el('dl', { class: 'figures small' },
      figure('Uploads', count(u.count), `the oldest of ${day(u.oldest)}`),
      figure('Bytes', `${some ? 'at least ' : ''}${bytes(u.bytes)}`, some ? `${count(u.sized)} of them were measured` : null, `${dollars(u.cost_per_month)} a month`),
      figure('Begun more than 7 days ago', count(u.old.count), bytes(u.old.bytes), `${dollars(u.old.cost_per_month)} a month`)),
    (u.largest || []).length ? table('The largest', [
      { head: 'Key', value: x => x.key, class: 'name', show: x => named(x.key, 60) },
      { head: 'Bytes', number: true, value: x => x.bytes, show: x => bytes(x.bytes) },
      { head: 'Parts', number: true, value: x => x.parts, show: x => count(x.parts) },
      { head: 'Begun', number: true, value: x => instant(x.initiated) || 0, show: x => day(x.initiated) },
      { head: 'Upload', value: x => x.upload_id, class: 'id', show: x => named(x.upload_id, 17) },
    ], u.largest, { most: 10, sort: 1 }) : null);
}

function comparison(report) {
  const c = report.compare;
  if (!c) return null;
  const delta = (name, d) => figure(name, plural(d.count, 'key'), bytes(d.bytes));
  const grown = p => el('span', { class: p.grown > 0 ? 'up' : p.grown < 0 ? 'down' : null }, change(p.grown, bytes));
  const changed = p => p.added.bytes + p.replaced.bytes + p.removed.bytes;
  const part = name => [
    { head: name[0].toUpperCase() + name.slice(1), number: true, value: p => p[name].bytes,
      show: p => [bytes(p[name].bytes), el('span', { class: 'basis' }, plural(p[name].count, 'key'))] },
  ];
  return section('compare', 'What has changed',
    el('p', { class: 'about' }, 'Since ', el('b', {}, time(c.with.taken_at)), ', snapshot ', el('span', { class: 'id' }, c.with.id), '.'),
    el('dl', { class: 'figures small' },
      delta('Added', c.added), delta('Replaced', c.replaced), delta('Removed', c.removed),
      figure('Current bytes', change(c.grown, bytes), `${change(c.cost_difference, dollars)} a month in all`),
      figure('Versions', `+${count(c.new_versions.count)}`, `${bytes(c.new_versions.bytes)} new`,
        `${count(c.gone_versions.count)} gone for good, ${bytes(c.gone_versions.bytes)}`)),
    (c.prefixes || []).length ? table('Where it changed most', [
      { head: 'Prefix', value: p => p.prefix, class: 'name', show: p => p.prefix ? named(p.prefix, 48) : el('i', {}, 'no prefix') },
      ...part('added'), ...part('replaced'), ...part('removed'),
      { head: 'Changed', number: true, value: changed, show: p => bytes(changed(p)) },
      { head: 'Grown', number: true, value: p => p.grown, show: grown },
    ], c.prefixes, { sort: 4 }) : null);
}

function notes(report) {
  if (!(report.notes || []).length) return null;
  return section('notes', 'Notes', el('ul', { class: 'notes' }, ...report.notes.map(n => el('li', {}, n))));
}
