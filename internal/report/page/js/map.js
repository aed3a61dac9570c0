// The map of prefixes: a treemap one can go into, with a table of the same.

// treemap builds the section. The address says where one is and what one looks
// at, so that a place can be kept, sent, and gone back to.
function treemap(report, root) {
  const view = { node: root, measure: 'bytes', colour: 'age', now: instant(report.now), tiles: [], nodes: new WeakMap() };
  const bucket = report.snapshot.bucket;
  const crumbs = el('nav', { class: 'crumbs', 'aria-label': 'Prefixes above' });
  const box = el('div', { class: 'map', role: 'group', 'aria-describedby': 'map-keys' });
  const detail = el('dl', { class: 'detail' });
  const key = el('div');
  const status = el('p', { class: 'unseen', role: 'status' });
  const list = levelTable(view, go);
  const measure = choice('What the area means', Object.entries(MEASURES).map(([v, m]) => [v, m.label]), view.measure,
    v => { view.measure = v; keep('replace'); draw(); });
  const colour = choice('What the colour means', [['age', 'Age'], ['noncurrent', 'Noncurrent share']], view.colour,
    v => { view.colour = v; keep('replace'); draw(); });

  // draw shows the level; a zoom names the tile it comes from or goes back to.
  function draw(zoom = null) {
    const { clientWidth: w, clientHeight: h } = box;
    if (!w || !h) return;
    const layer = el('div', { class: 'layer' });
    view.tiles = arrange(parts(view.node, view.measure, w * h), { x: 0, y: 0, w, h });
    for (const t of view.tiles) layer.append(t.button = tile(t, view, { w, h }));
    if (!view.tiles.length) layer.append(el('p', { class: 'nothing' }, 'Nothing here to show by this measure.'));
    box.replaceChildren(layer);
    box.setAttribute('aria-label', `Map of ${visible(label(view.node, bucket))} by ${MEASURES[view.measure].label.toLowerCase()}`);
    reach(view.tiles[0]);
    animateZoom(layer, zoom, w, h);
    drawCrumbs(crumbs, view.node, bucket, go);
    key.replaceChildren(legend(view.colour));
    tell(view.node);
  }

  // go shows a node; by keyboard and by mouse, in and out.
  function go(node) {
    const from = view.node;
    const inwards = view.tiles.find(t => t.node === node);
    view.node = node;
    keep('push');
    draw(inwards ? { rect: inwards.rect, inwards: true } : null);
    list.show(node.children);
    status.textContent = `${visible(label(node, bucket))}: ${plural(view.tiles.length, 'tile')}, ${bytes(node.bytes + node.oldBytes)}`;
    const came = view.tiles.find(t => ancestors(from).includes(t.node));
    const to = came || view.tiles[0];
    if (to) focus(to);
  }

  // out goes to the prefix above.
  function out() {
    if (view.node.parent) go(view.node.parent);
  }

  // reach makes a tile the one that Tab comes to.
  function reach(part) {
    for (const t of view.tiles) t.button.tabIndex = t === part ? 0 : -1;
  }

  function focus(part) {
    reach(part);
    part.button.focus({ preventScroll: true });
  }

  // tell says in figures what a tile shows.
  function tell(node) {
    detail.replaceChildren(...detailOf(node, label(node, bucket)));
  }

  function keep(how) {
    const address = `#${new URLSearchParams({ at: view.node.path, by: view.measure, colour: view.colour })}`;
    if (address !== location.hash) history[`${how}State`](null, '', address);
  }

  // follow goes where the address says, as far as it makes sense.
  function follow() {
    const said = new URLSearchParams(location.hash.slice(1));
    if (!said.has('at') && location.hash.length > 1) return; // a link within the page
    view.node = lookUp(root, said.get('at') ?? root.path);
    if (Object.hasOwn(MEASURES, said.get('by'))) view.measure = said.get('by');
    if (Object.hasOwn(COLOURS, said.get('colour'))) view.colour = said.get('colour');
    measure.choose(view.measure);
    colour.choose(view.colour);
    list.show(view.node.children);
    draw();
  }

  box.addEventListener('click', e => {
    const node = view.nodes.get(e.target.closest('.tile'));
    if (node && node.children.length) go(node);
  });
  box.addEventListener('pointerover', e => {
    const node = view.nodes.get(e.target.closest('.inner, .tile'));
    if (node) tell(node);
  });
  box.addEventListener('pointerleave', () => tell(view.nodes.get(document.activeElement) || view.node));
  box.addEventListener('focusin', e => {
    const part = view.tiles.find(t => t.button === e.target);
    if (!part) return;
    reach(part);
    tell(part.node);
  });
  box.addEventListener('keydown', e => {
    if (e.altKey || e.ctrlKey || e.metaKey) return; // those are the browser's own
    const part = view.tiles.find(t => t.button === e.target);
    const to = part && { Home: view.tiles[0], End: view.tiles.at(-1) }[e.key]
      || part && e.key.startsWith('Arrow') && neighbour(view.tiles, part.rect, e.key);
    if (to) focus(to);
    else if (e.key === 'Escape' || e.key === 'Backspace') out();
    else if (!e.key.startsWith('Arrow')) return;
    e.preventDefault();
  });
  addEventListener('popstate', follow);
  whenResized(box, () => draw());
  // What a link names is looked up before anything is drawn.
  follow();

  return section('map', 'Where it is',
    el('div', { class: 'controls' }, measure, colour, finder(root, view, node => {
      go(node.children.length ? node : node.parent);
      const found = view.tiles.find(t => t.node === node);
      if (found) focus(found);
      tell(node);
    })),
    crumbs, box, detail, key, status,
    el('p', { class: 'hint', id: 'map-keys' }, 'Click or Enter goes in, Escape goes out, arrow keys move.'),
    list);
}

// drawCrumbs shows the way from the bucket to a node.
function drawCrumbs(nav, node, bucket, go) {
  nav.replaceChildren(el('ol', {}, ...ancestors(node).map(n => el('li', {}, n === node
    ? el('span', { 'aria-current': 'location' }, named(label(n, bucket), 60))
    : el('button', { type: 'button', onclick: () => go(n) }, named(label(n, bucket), 30))))));
}

// animateZoom lets a layer grow out of the tile it was, unless motion is unwanted.
function animateZoom(layer, zoom, w, h) {
  if (!zoom || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  const { rect } = zoom;
  const small = `translate(${rect.x}px, ${rect.y}px) scale(${rect.w / w}, ${rect.h / h})`;
  layer.animate([{ transform: small, opacity: 0.4 }, { transform: 'none', opacity: 1 }], { duration: 220, easing: 'ease-out' });
}

// detailOf lists what is known of a node.
function detailOf(node, name) {
  const all = node.bytes + node.oldBytes;
  const above = node.parent ? node.parent.bytes + node.parent.oldBytes : 0;
  const fact = (title, ...text) => el('div', {}, el('dt', {}, title), el('dd', {}, ...text));
  return [
    fact(node.isRest ? 'Smaller ones' : isKey(node) ? 'Key' : 'Prefix',
      node.isRest ? count(node.names) : named(node.parent ? node.path : name)),
    fact('Bytes', bytes(all), above ? ` · ${percent(all, above)}` : ''),
    fact('Objects', count(node.objects)),
    fact('Noncurrent', bytes(node.oldBytes), all ? ` · ${percent(node.oldBytes, all)}` : ''),
    fact('Delete markers', count(node.markers)),
    fact('Cost a month', dollars(node.cost + node.oldCost)),
    fact('Newest', node.newest ? day(node.newest) : node.isRest ? '–' : 'unknown'),
  ];
}

// levelTable is the same level as a table.
function levelTable(view, go) {
  return table('The same as a table', [
    { head: 'Name', value: n => n.name, class: 'name', show: n => n.children.length
      ? el('button', { type: 'button', class: 'link', onclick: () => go(n) }, named(n.name, 48))
      : named(label(n), 48) },
    { head: 'Objects', number: true, value: n => n.objects, show: n => count(n.objects) },
    { head: 'Bytes', number: true, value: n => n.bytes + n.oldBytes, show: n => bytes(n.bytes + n.oldBytes) },
    { head: 'Noncurrent', number: true, value: n => n.oldBytes, show: n => bytes(n.oldBytes) },
    { head: 'Delete markers', number: true, value: n => n.markers, show: n => count(n.markers) },
    { head: 'Cost a month', number: true, value: n => n.cost + n.oldCost, show: n => dollars(n.cost + n.oldCost) },
    { head: 'Newest', number: true, value: n => n.newest, show: n => day(n.newest) },
  ], view.node.children, { sort: 2 });
}
