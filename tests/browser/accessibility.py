"""What a screen reader, a keyboard and weak eyes need of a page: a small set of checks in the manner of axe."""

# Every text against what is painted behind it, by WCAG 2.2's formula: 4.5, or 3 for large text.
CONTRAST = r"""(() => {
  const rgb = (text) => { const m = text.match(/[\d.]+/g).map(Number); return { c: m.slice(0, 3), a: m.length > 3 ? m[3] : 1 }; };
  const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  const behind = (e) => { for (; e; e = e.parentElement) { const b = rgb(getComputedStyle(e).backgroundColor); if (b.a === 1) return b.c; if (b.a > 0) return null; } return [255, 255, 255]; };
  const bad = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, text = walk.currentNode.textContent.trim();
    if (!text || !e.checkVisibility() || e.closest('.aloud, .skip, noscript, option') || e.matches(':disabled')) continue;
    const style = getComputedStyle(e), ground = behind(e);
    if (!ground) continue;
    const [a, b] = [light(rgb(style.color).c), light(ground)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05), size = parseFloat(style.fontSize);
    const enough = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700) ? 3 : 4.5;
    if (ratio < enough - 0.005) bad.push(`"${text.slice(0, 40)}" has contrast ${ratio.toFixed(2)} (${style.color} on ${ground})`);
  }
  return [...new Set(bad)];
})()"""

STRUCTURE = r"""(() => {
  const bad = [], seen = new Set();
  for (const e of document.querySelectorAll('[id]')) { if (seen.has(e.id)) bad.push(`two elements are called #${e.id}`); seen.add(e.id); }
  for (const e of document.querySelectorAll('[aria-labelledby], [aria-describedby], label[for]'))
    for (const name of ['aria-labelledby', 'aria-describedby', 'for'])
      for (const id of (e.getAttribute(name) ?? '').split(' ').filter(Boolean)) if (!document.getElementById(id)) bad.push(`${name}="${id}" leads nowhere`);
  if (!document.documentElement.lang) bad.push('the page has no language');
  if (!document.title.trim()) bad.push('the page has no title');
  if (document.querySelectorAll('main').length !== 1) bad.push('expected one main');
  if (document.querySelectorAll('h1').length !== 1) bad.push('expected one h1');
  let level = 1;
  for (const e of [...document.querySelectorAll('h1, h2, h3, h4')].filter((e) => e.checkVisibility())) {
    const n = Number(e.tagName[1]); if (n > level + 1) bad.push(`heading "${e.textContent}" skips a level`); level = n;
  }
  for (const e of document.querySelectorAll('img')) if (!e.hasAttribute('alt')) bad.push('a picture has no alt');
  for (const e of document.querySelectorAll('[tabindex]')) if (e.tabIndex > 0) bad.push('a tabindex over 0 breaks the order');
  for (const e of document.querySelectorAll('ul, ol')) for (const c of e.children) if (c.tagName !== 'LI') bad.push(`a list holds ${c.tagName}`);
  for (const e of document.querySelectorAll('dl')) for (const c of e.children) if (!['DT', 'DD', 'DIV'].includes(c.tagName)) bad.push(`a dl holds ${c.tagName}`);
  for (const e of document.querySelectorAll('th')) if (!e.scope) bad.push(`heading cell "${e.textContent}" has no scope`);
  return [...new Set(bad)];
})()"""

NAMED = {"button", "link", "textbox", "combobox", "checkbox", "spinbutton", "image", "img", "meter", "table", "region", "navigation", "group", "video", "heading"}


def names(page):
    """Roles that want a name and have none, as the browser tells assistive programs."""
    bad = []
    for node in page.command("Accessibility.getFullAXTree")["nodes"]:
        role = node.get("role", {}).get("value")
        if not node.get("ignored") and role in NAMED and not (node.get("name", {}).get("value") or "").strip():
            bad.append(f"a {role} has no name")
    return sorted(set(bad))


def findings(page):
    return page.js(STRUCTURE) + page.js(CONTRAST) + names(page)


def focus_walk(page, steps):
    """What Tab reaches, in order: (description, whether the focus can be seen, place in the document)."""
    page.js("document.activeElement?.blur(); document.body.focus(); getSelection().removeAllRanges()")
    walk = []
    for _ in range(steps):
        page.press("Tab")
        here = page.js(r"""(() => { const e = document.activeElement; if (!e || e === document.body) return null;
          const style = getComputedStyle(e), box = e.getBoundingClientRect();
          return { what: (e.getAttribute('aria-label') ?? e.textContent ?? e.id).trim().slice(0, 60) || e.id || e.tagName,
                   seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1 && box.width > 0,
                   place: [...document.querySelectorAll('*')].indexOf(e) }; })()""")
        if here is None:
            break
        walk.append(here)
    return walk
