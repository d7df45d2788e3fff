// Draws the diagrams of the page and leaves what can be seen of it as JSON in `script#seen`. It judges nothing.
(async () => {
  const article = document.querySelector('article');
  const all = (from, what) => [...from.querySelectorAll(what)];
  const seen = {};

  // As the Markdown made it, before anything else touches it.
  seen.elements = [...new Set(all(article, '*').map((one) => one.localName))].sort();
  seen.attributes = [...new Set(all(article, '*').flatMap((one) =>
    one.getAttributeNames().map((name) => `${one.localName}.${name}`)))].sort();
  seen.first = article.firstElementChild.textContent;
  seen.headings = all(article, 'h1, h2, h3').map((one) => one.textContent);
  seen.links = all(article, 'a').map((one) => one.href);
  seen.code = all(article, 'code').map((one) => one.textContent);
  seen.text = article.textContent;
  seen.tables = all(article, 'table').map((table) => ({
    head: table.querySelector('tr').cells.length,
    rows: [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent)),
  }));
  const comments = document.createTreeWalker(article, NodeFilter.SHOW_COMMENT);
  seen.comments = [];
  while (comments.nextNode()) seen.comments.push(comments.currentNode.data);

  mermaid.initialize({ startOnLoad: false, securityLevel: 'strict' });
  seen.diagrams = [];
  const sources = all(article, 'pre[lang=mermaid]');
  // What is folded has no width, and nothing can be drawn there.
  const folded = all(article, 'details:not([open])');
  folded.forEach((one) => { one.open = true; });
  for (const [number, pre] of sources.entries()) {
    const source = pre.textContent;
    const diagram = { kind: source.replace(/^---\n[^]*?\n---\n/, '').split(/\s/)[0], drawn: false, said: '', text: [] };
    seen.diagrams.push(diagram);
    try {
      const { svg } = await mermaid.render(`diagram${number}`, source, pre);
      const place = document.createElement('div');
      place.innerHTML = svg;
      pre.replaceWith(place);
      diagram.drawn = place.querySelector('svg') !== null;
      diagram.text = all(place, 'text, .nodeLabel').map((one) => one.textContent.trim());
      diagram.links = all(place, 'a').length;
      diagram.bars = all(place, 'rect.task').length;
    } catch (error) {
      diagram.said = String(error);
    }
  }

  await document.fonts.ready;
  const page = document.documentElement;
  seen.width = page.clientWidth;
  seen.needed = page.scrollWidth;
  const right = article.getBoundingClientRect().right;
  const inside = all(article, '*').filter((one) => !one.closest('pre, table, svg'));
  seen.wide = inside.filter((one) => one.getBoundingClientRect().right > right + 1)
    .map((one) => `${one.localName}: ${one.textContent.slice(0, 80)}`);
  seen.scrolled = all(article, 'table').filter((one) => one.scrollWidth > one.clientWidth + 1)
    .map((one) => one.textContent.slice(0, 200));
  folded.forEach((one) => { one.open = false; });
  seen.height = Math.ceil(article.getBoundingClientRect().height);
  seen.loaded = performance.getEntriesByType('resource').map((one) => one.name);
  seen.owned = 'owned' in window || document.title !== 'summary';

  const result = document.createElement('script');
  result.id = 'seen';
  result.type = 'application/json';
  result.textContent = JSON.stringify(seen).replaceAll('<', '\\u003c');
  document.body.append(result);
})();
