// Building the page. Text goes in as text, with nothing invisible in it: nothing
// here reads HTML, and nothing but this writes what a report says.

// el makes an element. Attributes are set by name; on… are listeners; class and
// style take what one would expect; children are nodes or text, null is none.
function el(tag, attributes = {}, ...children) {
  const node = tag.startsWith('svg:')
    ? document.createElementNS('http://www.w3.org/2000/svg', tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    // The policy forbids style attributes, not the properties behind them.
    else if (name === 'style') for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
    else node.setAttribute(name, value === true ? '' : visible(String(value)));
  }
  node.append(...children.flat().filter(c => c !== null && c !== undefined)
    .map(c => c instanceof Node ? c : visible(String(c))));
  return node;
}

// named shows a key or a prefix: apart from the text around it, whichever way it
// is written, and cut to n characters if that is given.
function named(name, n) {
  const text = visible(name);
  const shown = n ? middle(text, n) : text;
  return el('bdi', { class: 'key', title: shown === text ? null : text }, shown);
}

// section makes one part of the page under a heading.
function section(id, title, ...children) {
  return el('section', { id, 'aria-labelledby': `${id}-title` },
    el('h2', { id: `${id}-title`, tabindex: -1 }, title), ...children);
}

// choice makes a row of buttons of which one is pressed; options are pairs of
// value and label. It returns the row; row.choose(value) sets it from outside.
function choice(label, options, value, onchoose) {
  const buttons = options.map(([v, text]) =>
    el('button', { type: 'button', 'data-value': v, onclick: () => { row.choose(v); onchoose(v); } }, text));
  const row = el('div', { class: 'choice', role: 'group', 'aria-label': label }, ...buttons);
  row.choose = v => buttons.forEach(b => b.setAttribute('aria-pressed', String(b.dataset.value === v)));
  row.choose(value);
  return row;
}

// swatch is a spot of colour with what it means.
function swatch(kind, text) {
  return el('span', { class: 'swatch' }, el('i', { class: `spot ${kind}` }), text);
}

// figure is one number with its name and what is to be said about it.
function figure(name, value, ...about) {
  return el('div', { class: 'figure' }, el('dt', {}, name), el('dd', {}, value),
    ...about.filter(Boolean).map(a => el('dd', { class: 'about' }, a)));
}

// whenResized calls draw with the size of node now and whenever it changes.
function whenResized(node, draw) {
  let width = 0, height = 0;
  new ResizeObserver(([{ contentRect: now }]) => {
    if (now.width === width && now.height === height || now.width === 0) return;
    ({ width, height } = now);
    draw(width, height);
  }).observe(node);
}
