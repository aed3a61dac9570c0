// The page of a file handle: what `gc explain` tells of it.

// mood tells whether a verdict keeps a file or lets it go.
function mood(is) {
  if (is === 'candidate' || is === 'unlinked') return 'bad';
  return is === 'linked' || is === 'linked again' || is.startsWith('kept') ? 'good' : '';
}

function handleHead(h) {
  return el('header', { class: 'masthead' },
    el('div', { class: 'bar-top' }, el('p', { class: 'brand' }, 'Cooper', el('span', {}, 'file handle')), themeButton()),
    el('h1', {}, named(h.handle)),
    h.key ? el('p', { class: 'place' }, 's3://', named(h.bucket), '/', named(h.key)) : null,
    el('p', { class: 'taken' },
      h.there ? el('span', { class: 'badge good' }, 'The newest scan has it') : el('span', { class: 'badge bad' }, 'The newest scan has no such handle'),
      h.verdict.detection ? el('span', {}, 'Detection ', el('span', { class: 'id' }, h.verdict.detection)) : el('span', { class: 'badge' }, 'Nothing was detected yet'),
      h.owner_status ? el('span', {}, 'Its owner says ', named(h.owner_status)) : null));
}

function verdict(h) {
  const v = h.verdict;
  return section('verdict', 'What it is taken for', el('div', { class: `verdict ${mood(v.is)}` },
    el('p', { class: 'is' }, v.is),
    el('p', { class: 'why' }, v.why),
    (v.to_change || []).length ? [el('h3', {}, 'What would change that'), el('ul', { class: 'notes' }, ...v.to_change.map(x => el('li', {}, x)))] : null));
}

function handleFigures(h) {
  const newest = h.scans[0];
  return el('dl', { class: 'figures' },
    figure('Status', h.status || 'unknown', h.since ? `since ${time(h.since)}` : null, h.reason),
    figure('Links', newest ? count(newest.links) : '–', newest ? 'in the newest scan' : 'no scan has ended'),
    figure('Size', h.there && h.size >= 0 ? bytes(h.size) : 'unknown'),
    figure('Modified', day(h.modified), instant(h.modified) ? null : 'it counts as young'),
    figure('Created', day(h.created)));
}

// seen says what a scan has seen.
function seen(s) {
  if (s.links) return plural(s.links, 'link');
  return s.there ? 'no link' : 'not there';
}

// times puts scans and changes of the status into one order, the oldest first.
function times(h) {
  const events = [
    ...h.scans.map(s => ({ at: s.began, kind: s.links ? 'linked' : s.there ? 'unlinked' : 'absent', what: seen(s), about: s.complete ? null : 'a scan that was not complete' })),
    ...(h.history || []).map(c => ({ at: c.since, kind: 'status', what: c.to, about: c.reason })),
  ].sort((a, b) => (instant(a.at) || 0) - (instant(b.at) || 0));
  return [
    el('ol', { class: 'times', tabindex: 0, role: 'region', 'aria-label': 'Scans and changes in the order of time' }, ...events.map(e =>
      el('li', { class: e.kind }, el('b', {}, e.what), el('span', {}, time(e.at)), e.about ? el('span', {}, e.about) : null))),
    el('div', { class: 'legend' }, swatch('linked', 'a scan has seen a link'), swatch('unlinked', 'none'), swatch('absent', 'not even the handle'), swatch('status', 'its status has changed'))];
}

// from lists where links stand.
function from(s) {
  const some = s.from || [];
  if (!some.length) return '–';
  const list = el('ul', { class: 'from' }, ...some.map(l => el('li', {}, named(l.association), ' of ', named(l.object), l.by_key ? ', by its key' : null)),
    s.links > some.length ? el('li', { class: 'about' }, `and ${plural(s.links - some.length, 'link')} more`) : null);
  return some.length > 5 ? el('details', {}, el('summary', {}, 'Where'), list) : list;
}

function scans(h) {
  if (!h.scans.length) return null;
  return section('scans', 'What scans have seen', ...times(h), table('Scans, the newest first', [
    { head: 'Scan', value: s => s.scan, class: 'id' },
    { head: 'Began', value: s => instant(s.began) || 0, class: 'when', show: s => time(s.began) },
    { head: 'Complete', value: s => s.complete ? 'yes' : 'no', show: s => s.complete ? 'yes' : el('span', { class: 'badge bad' }, 'not when it ended') },
    { head: 'Links', number: true, value: s => s.links, show: s => s.there || s.links ? count(s.links) : 'not there' },
    { head: 'From', value: s => (s.from || []).length, class: 'name', show: from },
  ], h.scans));
}

// around tells what has to do with it.
function around(h) {
  const panel = (title, rows, columns) => (rows || []).length ? el('div', { class: 'panel' }, el('h3', {}, title), table(title, columns, rows)) : null;
  const handle = { head: 'Handle', value: x => x.handle, class: 'name', show: x => named(x.handle) };
  const rule = { head: 'By', value: x => x.rule, show: x => named(x.rule) };
  const panels = [
    panel('Held by', h.holds, [{ head: 'Rows of', value: x => x.table, class: 'name', show: x => named(x.table) }, { head: 'As', value: x => x.role }]),
    panel('Made from', h.sources, [handle, rule]),
    panel('Made from it', h.derived, [handle, rule]),
    panel('Other handles of its object', h.siblings, [handle, { head: 'Links', number: true, value: x => x.links, show: x => count(x.links) }]),
  ].filter(Boolean);
  return section('around', 'What has to do with it', panels.length ? el('div', { class: 'panels' }, ...panels)
    : el('p', { class: 'about' }, 'No row holds it, it is made from no other and no other from it, and it alone has its object.'));
}

function changes(h) {
  const all = h.history || [];
  return section('changes', 'How its status has changed', all.length ? table('Changes, the oldest first', [
    { head: 'Since', value: c => instant(c.since) || 0, class: 'when', show: c => time(c.since) },
    { head: 'From', value: c => c.from },
    { head: 'To', value: c => c.to },
    { head: 'Reason', value: c => c.reason, class: 'name', show: c => named(c.reason) },
    { head: 'Run', value: c => c.run, class: 'id' },
  ], all) : el('p', { class: 'about' }, 'Never, as far as the ledger knows.'));
}

function unknowns(h) {
  if (!(h.unknown || []).length) return null;
  return section('unknown', 'What is not known', el('ul', { class: 'notes' }, ...h.unknown.map(u => el('li', {}, u))));
}

function startHandle() {
  const data = document.getElementById('data');
  const h = JSON.parse(data.textContent);
  data.remove();
  h.scans = h.scans || [];
  document.getElementById('page').append(handleHead(h),
    el('main', {}, handleFigures(h), ...[verdict(h), unknowns(h), scans(h), around(h), changes(h)].filter(Boolean)),
    el('footer', {}, 'Made by Cooper from what scans have read; no database was asked. Everything is in this file: it can be kept, sent and opened without a network.'));
}

startHandle();
