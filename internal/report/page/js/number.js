// How numbers, times and names look. Numbers are written as the terminal does.

const DAY = 864e5;

// bytes writes n with a decimal unit and three figures: 1.24 GB.
function bytes(n) {
  if (Math.abs(n) < 1000) return `${minus(n)} B`;
  let unit = 0;
  while (Math.abs(n) >= 999.5) {
    n /= 1000;
    unit++;
  }
  const size = Math.abs(n);
  const digits = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return `${minus(n.toFixed(digits))} ${' kMGTPE'[unit]}B`;
}

// count writes n with thousands separators: 1,234,567.
function count(n) {
  return minus(n.toLocaleString('en-US', { maximumFractionDigits: 0 }));
}

// short writes n in at most five characters, for axes and tiles: 1.2 M.
function short(n) {
  const units = [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']];
  for (const [size, unit] of units) {
    // What would be rounded up to 1,000 of a unit is one of the next.
    if (Math.abs(n) >= size * 0.9995) return `${trim(n / size)} ${unit}`;
  }
  return minus(trim(n));
}

// trim writes at most three figures, without zeros at the end.
function trim(n) {
  return String(Number(n.toPrecision(3)));
}

// dollars writes an amount in US dollars: cents where they matter.
function dollars(usd) {
  const size = Math.abs(usd);
  if (size === 0) return '$0';
  const sign = usd < 0 ? '−' : '';
  if (size < 0.00005) return `${sign}<$0.0001`;
  if (size < 0.01) return `${sign}$${size.toFixed(4)}`;
  return sign + '$' + size.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

// change writes a difference with its sign.
function change(n, write) {
  return n > 0 ? `+${write(n)}` : write(n);
}

// percent writes part of whole; something never looks like nothing, nor like all.
function percent(part, whole) {
  if (!whole || !part) return '0 %';
  const share = 100 * part / whole;
  if (share < 0.1) return '<0.1 %';
  if (share < 9.95) return `${share.toFixed(1)} %`;
  if (share > 99 && share < 100) return '>99 %';
  return `${share.toFixed(0)} %`;
}

// minus puts a true minus sign for a hyphen.
function minus(text) {
  return String(text).replace('-', '−');
}

// plural writes n and the word, with an s unless n is one.
function plural(n, word) {
  return `${count(n)} ${word}${n === 1 ? '' : 's'}`;
}

// instant reads a time, in ms since 1970 or RFC 3339; null is unknown.
function instant(value) {
  const ms = typeof value === 'number' ? value : Date.parse(value || '');
  return ms || null;
}

// day writes a date, time a date with hours and minutes, in UTC.
function day(value) {
  const ms = instant(value);
  return ms === null ? 'unknown' : new Date(ms).toISOString().slice(0, 10);
}

function time(value) {
  const ms = instant(value);
  return ms === null ? 'unknown' : new Date(ms).toISOString().slice(0, 16).replace('T', ' ') + ' UTC';
}

// age writes how long before now an instant was, in one unit.
function age(ms, now) {
  const days = Math.max(0, (now - ms) / DAY);
  if (days < 1) return 'less than a day old';
  if (days < 60) return `${plural(Math.floor(days), 'day')} old`;
  if (days < 730) return `${plural(Math.floor(days / 30.44), 'month')} old`;
  return `${(days / 365.25).toFixed(1)} years old`;
}

// What does not show, or turns round what follows, or could pass for another
// character, is written as an escape.
const UNSEEN = /[\u0000-\u001f\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]/gu;

// visible writes a name so that nothing in it hides.
function visible(name) {
  return name.replace(UNSEEN, c => `\\u{${c.codePointAt(0).toString(16)}}`);
}

// middle cuts a name in its middle so that it takes at most n characters.
function middle(name, n) {
  const characters = Array.from(name);
  if (characters.length <= n) return name;
  const head = Math.ceil((n - 1) / 2);
  return characters.slice(0, head).join('') + '…' + characters.slice(characters.length - (n - 1 - head)).join('');
}
