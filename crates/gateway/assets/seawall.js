// Keeps a page true, tells what a chart's parts are, and copies ids. Every page is whole without it.
'use strict';
(() => {
  const live = document.getElementById('live');
  const wait = 1000; // Milliseconds between two looks at the same page.

  // Copying: a button beside each id.
  const dress = (root) => {
    if (!navigator.clipboard) return;
    for (const id of root.querySelectorAll('[data-copy]')) {
      if (id.nextElementSibling?.dataset.copies) continue;
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = 'Copy';
      button.dataset.copies = 'yes';
      button.setAttribute('aria-label', `Copy ${id.textContent}`);
      id.after(button);
    }
  };
  document.addEventListener('click', async (event) => {
    const button = event.target.closest?.('button[data-copies]');
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Not allowed';
    }
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  });

  // Hovering: what a part of a chart says, at once and in the page's own look.
  const tip = document.createElement('div');
  tip.className = 'tip';
  tip.hidden = true;
  tip.setAttribute('aria-hidden', 'true');
  document.body.append(tip);
  document.addEventListener('pointermove', (event) => {
    const part = event.target.closest?.('svg.chart rect');
    const title = part?.querySelector('title');
    if (title) {
      // The browser's own would come late, and twice.
      part.dataset.tip = title.textContent;
      title.remove();
    }
    tip.hidden = !part?.dataset.tip;
    if (tip.hidden) return;
    tip.textContent = part.dataset.tip;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 12, innerWidth - width - 4))}px`;
    tip.style.top = `${event.clientY + height + 20 > innerHeight ? event.clientY - height - 8 : event.clientY + 16}px`;
  });

  dress(document);
  if (!live || !window.EventSource) return;

  // Staying true: the marked parts of this page, fetched anew, take the place of those that changed.
  const says = live.querySelector('.says');
  const pause = live.querySelector('button');
  let paused = false, asking = false, wanted = false, last = 0, source = null;

  const state = (name, text) => {
    live.className = `live ${name}`;
    if (says.textContent !== text) says.textContent = text;
  };
  const isInUse = (part) => {
    const chosen = getSelection();
    return (chosen && !chosen.isCollapsed && chosen.intersectsNode?.(part) !== false && part.contains(chosen.anchorNode))
      || part.querySelector('details[open]') !== null && part.contains(document.activeElement);
  };
  const swap = (next) => {
    for (const part of document.querySelectorAll('[data-swap]')) {
      const fresh = next.getElementById(part.id);
      if (!fresh || isInUse(part)) continue;
      // Buttons that this script has added are no change.
      dress(fresh);
      if (fresh.isEqualNode(part)) continue;
      const held = part.contains(document.activeElement) ? document.activeElement : null;
      const place = held && [...part.querySelectorAll('a,button,summary,[tabindex]')].indexOf(held);
      const scrolled = [part, ...part.querySelectorAll('.scroll')].map((box) => box.scrollLeft);
      if (part === held) { part.replaceChildren(...fresh.childNodes); continue; }
      part.replaceWith(fresh);
      [fresh, ...fresh.querySelectorAll('.scroll')].forEach((box, at) => { box.scrollLeft = scrolled[at] ?? 0; });
      if (held) fresh.querySelectorAll('a,button,summary,[tabindex]')[place]?.focus({ preventScroll: true });
    }
  };
  const look = async () => {
    if (asking || paused || document.hidden) { wanted = true; return; }
    const due = last + wait - Date.now();
    if (due > 0) {
      if (!wanted) { wanted = true; setTimeout(look, due); }
      return;
    }
    asking = true; wanted = false; last = Date.now();
    try {
      const reply = await fetch(location.href, { headers: { accept: 'text/html' }, signal: AbortSignal.timeout(10000) });
      if (reply.redirected) { location.reload(); return; }
      if (reply.ok) swap(new DOMParser().parseFromString(await reply.text(), 'text/html'));
    } catch {
      state('stale', 'Cannot be reached');
    } finally {
      asking = false;
      if (wanted) { wanted = false; setTimeout(look, wait); }
    }
  };
  const listen = () => {
    source = new EventSource('/api/v1/live');
    source.onopen = () => { state('', 'Live'); look(); };
    source.onerror = () => { state('stale', source.readyState === EventSource.CLOSED ? 'Not live' : 'Connecting again'); };
    for (const name of live.dataset.live.split(' ')) source.addEventListener(name, look);
    source.addEventListener('lag', look);
  };
  pause.addEventListener('click', () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', String(paused));
    pause.textContent = paused ? 'Go on' : 'Pause';
    if (paused) { source?.close(); state('paused', 'Paused'); } else { listen(); }
  });
  document.addEventListener('visibilitychange', () => { if (!document.hidden && wanted) { wanted = false; look(); } });
  // A page that the browser keeps for later must not hold a listener's place.
  addEventListener('pagehide', () => source?.close());
  addEventListener('pageshow', (event) => { if (event.persisted && !paused) listen(); });
  live.hidden = false;
  listen();
})();
