// Drawing one level of the map: tiles, and in each what lies below it.

const LEAST_TILE = 36; // px²: smaller ones are drawn together
const MOST_TILES = 400;
const MOST_INNER = 150;
const CAPTION = 20; // px
const LEAST_NAME = 6; // characters
const FONT = 'bold 12px', INNER_FONT = '11px'; // as in the style sheet, to measure by

// parts divides a node for the map: its children by measure, the largest first,
// with those that would be too small to see, and its rest, as one part at the end.
// It returns [{ node, value, names }]; names is how many the rest stands for.
function parts(node, measure, area, most = MOST_TILES) {
  const of = MEASURES[measure].of;
  const sorted = node.children.map(n => ({ node: n, value: of(n) })).filter(p => p.value > 0)
    .sort((a, b) => b.value - a.value);
  const total = sorted.reduce((sum, p) => sum + p.value, 0) + (node.rest ? of(node.rest) : 0);
  let keep = sorted.findIndex((p, i) => i >= most || p.value / total * area < LEAST_TILE);
  // One tile alone is drawn as itself, however small: folding would hide its name.
  if (keep < 0 || keep === sorted.length - 1 && !node.rest) keep = sorted.length;
  const kept = sorted.slice(0, keep);
  const rest = restOf(node, sorted.slice(keep).map(p => p.node));
  if (rest && of(rest) > 0) kept.push({ node: rest, value: of(rest) });
  return kept;
}

// restOf sums up the rest of a node and further ones; null if there are none.
function restOf(node, folded) {
  if (!node.rest && folded.length === 0) return null;
  const sum = { isRest: true, parent: node, names: folded.length, newest: 0, children: [] };
  PART.forEach(name => { sum[name] = folded.reduce((n, f) => n + f[name], 0); });
  if (node.rest) {
    sum.names += node.rest.names;
    PART.forEach(name => { sum[name] += node.rest[name]; });
  }
  return sum;
}

// arrange lays out parts in a rectangle. The rest goes last, whatever its size,
// so that it is always in the same corner.
function arrange(list, rectangle) {
  const rects = squarify(list.map(p => p.value), rectangle);
  return list.map((p, i) => ({ ...p, rect: rects[i] }));
}

// place puts an element where its rectangle is in a space of w × h, in shares of
// it: so the map still fits where it is resized without being drawn, on paper.
function place(node, rect, { w, h }) {
  for (const [property, value] of [['left', rect.x / w], ['top', rect.y / h], ['width', rect.w / w], ['height', rect.h / h]]) {
    node.style.setProperty(property, `${100 * value}%`);
  }
}

// tile draws one part of a level as a button.
function tile(part, view, space) {
  const { node, rect } = part;
  const inner = !node.isRest && rect.w > 60 && rect.h > 56 ? innerTiles(node, rect, view) : [];
  const button = el('button', {
    type: 'button',
    class: `tile ${node.isRest ? 'rest' : COLOURS[view.colour].of(node, view.now)} ${inner.length ? 'opened' : ''} ${node.children.length ? '' : 'leaf'}`,
    tabindex: -1,
    'aria-label': spoken(node, view),
  }, caption(part, view, rect, FONT), ...inner);
  place(button, rect, space);
  view.nodes.set(button, node);
  return button;
}

// innerTiles draws what is below a tile, to look at only.
function innerTiles(node, rect, view) {
  const space = { x: 2, y: CAPTION, w: rect.w - 4, h: rect.h - CAPTION - 2 };
  return arrange(parts(node, view.measure, space.w * space.h, MOST_INNER), space).map(part => {
    const box = el('span', {
      class: `inner ${part.node.isRest ? 'rest' : COLOURS[view.colour].of(part.node, view.now)}`,
      'aria-hidden': 'true',
    }, caption(part, view, part.rect, INNER_FONT));
    place(box, part.rect, rect);
    view.nodes.set(box, part.node);
    return box;
  });
}

// caption names a tile as far as there is room.
function caption(part, view, { w, h }, font) {
  if (h < 18) return null;
  const room = w - 14;
  const name = part.node.isRest ? `${count(part.node.names)} smaller` : visible(label(part.node));
  const shown = fit(name, room, font);
  if (!shown) return null;
  const value = tileValue(part, view);
  return el('span', { class: 'caption' }, named(name, shown),
    textWidth(name, font) + 12 + textWidth(value, font) <= room ? el('span', { class: 'value' }, value) : null);
}

// fit tells how many characters of a name there is room for, in px; 0 if so few
// that they would say nothing. What is cut is the middle of a name, as names of
// neighbours often differ at their ends.
function fit(name, room, font) {
  const whole = textWidth(name, font), length = Array.from(name).length;
  if (whole <= room) return length;
  let n = Math.ceil(length * room / whole);
  while (n >= LEAST_NAME && textWidth(middle(name, n), font) > room) n--;
  return n >= LEAST_NAME ? n : 0;
}

// textWidth measures a text in px.
function textWidth(text, font) {
  pen.font = `${font} ${family ||= getComputedStyle(document.body).fontFamily}`;
  return pen.measureText(text).width;
}

const pen = document.createElement('canvas').getContext('2d');
let family = '';

function tileValue({ value }, view) {
  return view.measure === 'objects' ? short(value) : MEASURES[view.measure].show(value);
}

// spoken says what a tile shows.
function spoken(node, view) {
  const name = node.isRest ? `${plural(node.names, 'smaller one')} together` : label(node);
  const facts = [bytes(node.bytes + node.oldBytes), plural(node.objects, 'object'), `${dollars(node.cost + node.oldCost)} a month`];
  if (node.oldBytes) facts.push(`${bytes(node.oldBytes)} noncurrent`);
  if (node.newest) facts.push(age(node.newest, view.now));
  return `${name}: ${facts.join(', ')}${node.children.length ? '; opens' : ''}`;
}

// neighbour finds the tile to go to from one in a direction, by place.
function neighbour(tiles, from, key) {
  const across = key === 'ArrowLeft' || key === 'ArrowRight';
  const back = key === 'ArrowLeft' || key === 'ArrowUp';
  const [start, size, otherStart, otherSize] = across ? ['x', 'w', 'y', 'h'] : ['y', 'h', 'x', 'w'];
  const middleLine = from[otherStart] + from[otherSize] / 2;
  let best = null, least = Infinity;
  for (const t of tiles) {
    const gap = back ? from[start] - (t.rect[start] + t.rect[size]) : t.rect[start] - (from[start] + from[size]);
    if (gap < -0.5) continue; // beside or behind
    const off = Math.max(t.rect[otherStart] - middleLine, middleLine - t.rect[otherStart] - t.rect[otherSize], 0);
    const distance = gap + 4 * off;
    if (distance < least) [best, least] = [t, distance];
  }
  return best;
}
