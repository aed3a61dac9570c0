// Putting the page together.

function start() {
  const data = document.getElementById('data');
  const report = JSON.parse(data.textContent);
  data.remove(); // megabytes of text that nobody reads again
  const root = report.tree ? readNode(report.tree, null) : null;
  const sections = [
    root && treemap(report, root), distributions(report), growth(report), savings(report),
    duplicates(report), uploads(report), comparison(report), notes(report),
  ].filter(Boolean);
  document.getElementById('page').append(
    masthead(report), el('main', {}, figures(report), contents(sections), ...sections),
    el('footer', {}, 'Made by Cooper. Everything is in this file: it can be kept, sent and opened without a network.'));
}

start();
