/// The document, made by hand. Only text is ever put into it, so that no name of an endpoint or a job can become markup;
/// what does not change is left alone, so that a selection, the focus and a screen reader's place survive the second.

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | EventListener | undefined>;  // "on...": a listener

/** Makes an element: h("p.note", { id: "x" }, "text"). Attributes that are functions listen: { onclick: ... }. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K | `${K}.${string}`, attributes: Attributes = {}, ...children: Child[]
): HTMLElementTagNameMap[K] {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name as K);
  if (classes.length > 0) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== undefined && value !== false) element.setAttribute(key, String(value));
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false));
  return element;
}

export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element: Element, name: string, value: string | null): void {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function show(element: HTMLElement, visible: boolean): void {
  if (element.hidden === visible) element.hidden = !visible;
}

/**
 * Keeps a parent's children in step with `items`: one child each, found by its key, made by `create`, refreshed by
 * `update`. Children that stay are not touched, not even moved, unless their order changed.
 */
export function keyed<T>(
  parent: Element, items: readonly T[], key: (item: T, index: number) => string,
  create: (item: T) => HTMLElement, update: (element: HTMLElement, item: T, index: number) => void,
): void {
  const old = new Map<string, HTMLElement>();
  for (const child of Array.from(parent.children) as HTMLElement[]) old.set(child.dataset["key"] ?? "", child);
  let at: Element | null = parent.firstElementChild;
  items.forEach((item, index) => {
    const name = key(item, index);
    let element = old.get(name);
    if (element) old.delete(name);
    else {
      element = create(item);
      element.dataset["key"] = name;
    }
    update(element, item, index);
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  });
  for (const gone of old.values()) gone.remove();
}

/** A table whose rows are texts; the first cell of a row names it. */
export class TextTable {
  readonly element: HTMLElement;
  private readonly body = h("tbody");

  constructor(label: string, headings: readonly string[], private readonly numbersFrom = 1) {
    const head = h("tr", {}, ...headings.map((text, i) => h("th", { scope: "col", class: i >= numbersFrom ? "number" : undefined }, text)));
    this.element = h("div.scroll", { tabindex: 0, role: "region", "aria-label": label },
      h("table", { "aria-label": label }, h("thead", {}, head), this.body));
  }

  update(rows: readonly (readonly string[])[]): void {
    keyed(this.body, rows, (cells) => cells[0] ?? "", (cells) =>
      h("tr", {}, ...cells.map((_, i) => (i === 0 ? h("th", { scope: "row" }) : h("td", { class: i >= this.numbersFrom ? "number" : undefined })))),
    (row, cells) => cells.forEach((text, i) => setText(row.children[i]!, text)));
  }
}

/** A bar that fills: what part of something is used. `level` colours it only where it says something. */
export class Bar {
  readonly element: HTMLElement;
  private readonly fill = h("span");

  constructor(label: string) {
    this.element = h("div.bar", { role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 }, this.fill);
  }

  update(part: number, text: string, level: "" | "warning" | "bad" = ""): void {
    const shown = Math.max(0, Math.min(1, Number.isFinite(part) ? part : 0));
    this.fill.style.width = `${(shown * 100).toFixed(1)}%`;
    setAttribute(this.element, "aria-valuenow", (shown * 100).toFixed(0));
    setAttribute(this.element, "aria-valuetext", text);
    setAttribute(this.element, "data-level", level);
  }
}

export function panel(title: string, ...children: Child[]): HTMLElement {
  const id = `p-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`;
  return h("section.panel", { "aria-labelledby": id }, h("h2", { id }, title), ...children);
}
