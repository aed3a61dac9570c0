// Growth over snapshots: an area for current versions, one for the others on top.

const GROWTHS = {
  bytes: { label: 'Bytes', all: p => p.bytes, latest: p => p.latest_bytes, show: bytes, tick: n => n ? `${short(n)}B` : '0' },
  versions: { label: 'Versions', all: p => p.versions, latest: p => p.latest, show: count, tick: short },
};
const CHART = { height: 280, left: 64, right: 16, top: 12, bottom: 30 };

function growth(report) {
  const points = (report.growth || []).filter(p => instant(p.taken_at)).sort((a, b) => instant(a.taken_at) - instant(b.taken_at));
  if (points.length < 2) {
    return section('growth', 'Growth', el('p', { class: 'about' },
      'This is the only snapshot of the bucket in the workspace. With a second one, growth is drawn here.'));
  }
  let by = GROWTHS.bytes, at = points.length - 1;
  const read = el('p', { class: 'readout' });
  const frame = el('div', { class: 'chart', tabindex: 0, role: 'img' });
  let chart = null;

  function draw() {
    if (!frame.clientWidth) return;
    chart = areaChart(points, by, frame.clientWidth);
    frame.replaceChildren(chart.svg);
    frame.setAttribute('aria-label', `${by.label} over ${points.length} snapshots, from ${by.show(by.all(points[0]))} to ${by.show(by.all(points.at(-1)))}. Arrow keys read single ones; a table follows.`);
    point(at);
  }

  // point reads one snapshot.
  function point(i) {
    at = Math.max(0, Math.min(points.length - 1, i));
    const p = points[at];
    chart.mark(at);
    read.replaceChildren(el('b', {}, day(p.taken_at)), ' ', swatch('current', `${by.show(by.latest(p))} current`), ' ',
      swatch('noncurrent', `${by.show(by.all(p) - by.latest(p))} noncurrent`), ' ',
      el('span', { class: 'about' }, at ? `${change(by.all(p) - by.all(points[at - 1]), by.show)} since the one before` : 'the first snapshot'));
  }

  frame.addEventListener('pointermove', e => point(chart.nearest(e.clientX - frame.getBoundingClientRect().left)));
  frame.addEventListener('keydown', e => {
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: points.length - 1 }[e.key];
    if (to === undefined || e.altKey || e.ctrlKey || e.metaKey) return;
    e.preventDefault();
    point(to);
    frame.setAttribute('aria-label', read.textContent); // it has the focus: a change of its name is read out
  });
  whenResized(frame, draw);
  return section('growth', 'Growth',
    el('div', { class: 'controls' },
      choice('What the chart shows', Object.entries(GROWTHS).map(([v, g]) => [v, g.label]), 'bytes', v => { by = GROWTHS[v]; draw(); }), read),
    frame,
    el('details', {}, el('summary', {}, 'All snapshots'), growthTable(points)));
}

function growthTable(points) {
  return table('Snapshots of the bucket', [
    { head: 'Snapshot', value: p => p.id, class: 'id' },
    { head: 'Taken', number: true, value: p => instant(p.taken_at), show: p => time(p.taken_at) },
    { head: 'Current', number: true, value: p => p.latest_bytes, show: p => bytes(p.latest_bytes) },
    { head: 'All bytes', number: true, value: p => p.bytes, show: p => bytes(p.bytes) },
    { head: 'Versions', number: true, value: p => p.versions, show: p => count(p.versions) },
    { head: 'Delete markers', number: true, value: p => p.delete_markers, show: p => count(p.delete_markers) },
  ], points, { sort: 1 });
}

// areaChart draws the points at a width. It returns the picture, and functions
// that mark a point and find the one nearest to a place.
function areaChart(points, by, width) {
  const { height, left, right, top, bottom } = CHART;
  const times = points.map(p => instant(p.taken_at));
  const [from, to] = [times[0], times.at(-1)];
  const ticks = valueTicks(Math.max(...points.map(by.all)));
  const x = t => left + (to === from ? 0.5 : (t - from) / (to - from)) * (width - left - right);
  const y = v => height - bottom - v / ticks.at(-1) * (height - top - bottom);
  const path = (...lines) => lines.map((line, i) =>
    (i ? line.toReversed() : line).map(([a, b], j) => `${i || j ? 'L' : 'M'}${a.toFixed(1)} ${b.toFixed(1)}`).join('')).join('');
  const line = of => points.map((p, i) => [x(times[i]), y(of(p))]);
  const floor = line(() => 0), latest = line(by.latest), all = line(by.all);
  const rule = el('svg:line', { class: 'rule', y1: top, y2: height - bottom });
  const dots = [el('svg:circle', { class: 'dot current', r: 4 }), el('svg:circle', { class: 'dot noncurrent', r: 4 })];
  const svg = el('svg:svg', { width, height, viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' },
    ...ticks.map(v => el('svg:g', { class: 'tick' },
      el('svg:line', { x1: left, x2: width - right, y1: y(v), y2: y(v) }),
      el('svg:text', { x: left - 8, y: y(v) + 4, 'text-anchor': 'end' }, by.tick(v)))),
    ...timeTicks(from, to, Math.floor((width - left) / 96)).map(({ t, text, anchor = 'middle' }) =>
      // A date in the middle of its tick would be cut off at the right end.
      el('svg:text', { x: x(t), y: height - 8, 'text-anchor': x(t) > width - 40 ? 'end' : anchor }, text)),
    el('svg:path', { class: 'area current', d: path(floor, latest) }),
    el('svg:path', { class: 'area noncurrent', d: path(latest, all) }),
    el('svg:path', { class: 'edge current', d: path(latest) }),
    el('svg:path', { class: 'edge noncurrent', d: path(all) }), rule, ...dots);
  return {
    svg,
    mark(i) {
      rule.setAttribute('x1', floor[i][0]);
      rule.setAttribute('x2', floor[i][0]);
      [latest, all].forEach((l, d) => {
        dots[d].setAttribute('cx', l[i][0]);
        dots[d].setAttribute('cy', l[i][1]);
      });
    },
    nearest: px => floor.reduce((best, [a], i) => Math.abs(a - px) < Math.abs(floor[best][0] - px) ? i : best, 0),
  };
}

// valueTicks gives round values from zero to at least most, four to six of them.
function valueTicks(most) {
  if (!(most > 0)) return [0, 1];
  const rough = most / 4, unit = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max([1, 2, 2.5, 5, 10].find(s => s * unit >= rough * 0.999) * unit, 1);
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, i) => i * step);
}

// timeTicks gives at most n round dates between two instants, or both ends if
// they lie too near.
function timeTicks(from, to, n) {
  if (to - from < 2 * DAY) {
    return [{ t: from, text: time(from), anchor: 'start' }, { t: to, text: time(to), anchor: 'end' }].slice(0, n > 3 ? 2 : 1);
  }
  for (const days of [1, 2, 7, 14]) {
    if ((to - from) / DAY / days <= n) {
      const step = days * DAY;
      const first = Math.ceil(from / step);
      return Array.from({ length: Math.floor(to / step) - first + 1 }, (_, i) => (first + i) * step).map(t => ({ t, text: day(t) }));
    }
  }
  const steps = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200];
  const months = (to - from) / DAY / 30.44;
  const step = steps.find(s => months / s <= n) || 12000;
  const ticks = [], year = new Date(from).getUTCFullYear();
  for (let m = 0; ; m += step) {
    const t = Date.UTC(year, m, 1);
    if (t > to) return ticks;
    if (t >= from) ticks.push({ t, text: new Date(t).toISOString().slice(0, step < 12 ? 7 : 4) });
  }
}
