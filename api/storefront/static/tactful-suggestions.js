// <tactful-suggestions>: suggestions on a page of a shop, each with its reason. No cookie and no storage of
// its own, nothing inline, nothing from elsewhere. What it can be told and what it tells: api/storefront/README.md.
//
// Properties: `token`, a token or a function that gives one or a promise of one; `resolve`, a function that gives
// what the shop knows of an item of the answer, `{title, link, image, price}`, or a promise of it; `headers`, what
// the relay wants to be sent beside, or a function that gives it.

const WORDS = {
  en: ["Suggestions for you", "You may also like", "Why this?", "Too personal", "Not interested", "Taken away: {title}", "Undo", "{title} is back", "Sponsored", "What suggestions rest on", "Without my profile", "With my profile", "Something from {name}", "Talk to a person", "New suggestions"],
  da: ["Forslag til dig", "Måske kan du også lide", "Hvorfor det her?", "For personligt", "Ikke interesseret", "Fjernet: {title}", "Fortryd", "{title} er tilbage", "Sponsoreret", "Hvad forslag bygger på", "Uden min profil", "Med min profil", "Noget fra {name}", "Tal med et menneske", "Nye forslag"],
  nb: ["Forslag til deg", "Kanskje liker du også", "Hvorfor dette?", "For personlig", "Ikke interessert", "Fjernet: {title}", "Angre", "{title} er tilbake", "Sponset", "Hva forslag bygger på", "Uten profilen min", "Med profilen min", "Noe fra {name}", "Snakk med et menneske", "Nye forslag"],
  sv: ["Förslag till dig", "Du kanske också gillar", "Varför det här?", "För personligt", "Inte intresserad", "Borttaget: {title}", "Ångra", "{title} är tillbaka", "Sponsrat", "Vad förslag bygger på", "Utan min profil", "Med min profil", "Något från {name}", "Tala med en människa", "Nya förslag"],
  de: ["Vorschläge für dich", "Das könnte dir auch gefallen", "Warum das?", "Zu persönlich", "Kein Interesse", "Entfernt: {title}", "Rückgängig", "{title} ist wieder da", "Gesponsert", "Worauf Vorschläge beruhen", "Ohne mein Profil", "Mit meinem Profil", "Etwas aus {name}", "Mit einem Menschen sprechen", "Neue Vorschläge"],
};
const NAMES = ["forYou", "forAnybody", "why", "personal", "uninterested", "gone", "undo", "back", "sponsored", "parameters", "without", "with", "from", "person", "anew"];
const SEEN_MS = 1000, SEEN_SHARE = 0.5, UNDO_MS = 10000;

const STYLE = new CSSStyleSheet();
STYLE.replaceSync(`
:host { display: block; container-type: inline-size; color: var(--tactful-text, inherit); font: var(--tactful-font, inherit) }
:host([hidden]) { display: none }
* { box-sizing: border-box }
.space { min-height: var(--tactful-reserve, 18rem) }
.gone { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
[part=heading] { font-size: var(--tactful-heading-size, 1.25em); line-height: 1.2; margin: 0 0 .75em; text-wrap: balance }
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: var(--tactful-gap, 1rem); grid-template-columns: repeat(auto-fill, minmax(min(var(--tactful-item-width, 11rem), 100%), 1fr)) }
li { display: flex; flex-direction: column; gap: .4em; min-width: 0; overflow-wrap: anywhere; padding: var(--tactful-padding, .75rem); border: 1px solid var(--tactful-line, color-mix(in srgb, currentcolor 22%, transparent)); border-radius: var(--tactful-radius, .5rem); background: var(--tactful-surface, transparent) }
img { width: 100%; height: auto; aspect-ratio: var(--tactful-image-ratio, 1); object-fit: contain; border-radius: inherit }
a { color: var(--tactful-link, inherit); text-underline-offset: .15em }
.title { font-weight: 600; text-decoration-thickness: 1px }
p { margin: 0 }
.small, details, footer { font-size: .875em }
.reason { color: var(--tactful-quiet, inherit) }
summary { cursor: pointer; padding: .25em 0; text-decoration: underline; text-underline-offset: .15em }
.acts { display: flex; flex-wrap: wrap; gap: .25em .75em; margin-top: auto }
button { font: inherit; color: inherit; background: none; border: 0; border-radius: .25em; padding: .25em 0; min-height: 1.75em; text-decoration: underline; text-underline-offset: .15em; cursor: pointer }
li.away { justify-content: center; align-items: start; border-style: dashed }
:focus-visible { outline: 3px solid var(--tactful-focus, currentcolor); outline-offset: 2px }
footer { display: flex; flex-wrap: wrap; gap: .25em 1em; margin-top: .75em; align-items: center }
`);

/** Returns an element; properties are set as they are, children are texts or elements. */
function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  if (properties.part) element.setAttribute("part", properties.part);
  element.append(...children.filter((child) => child || child === 0));
  return element;
}

/** Returns an address that a link may lead to: of the web, or null. */
function address(text) {
  try {
    const found = new URL(text, document.baseURI);
    return text && /^https?:$/.test(found.protocol) ? found.href : null;
  } catch {
    return null;
  }
}

/** Tells whether the scripts of the page have had their turn to set properties. */
function isSetUp() {
  const [page] = performance.getEntriesByType("navigation");
  return document.readyState === "complete" || page?.domContentLoadedEventStart > 0;
}

class TactfulSuggestions extends HTMLElement {
  static observedAttributes = ["endpoint", "src", "token", "placement", "count", "item", "basket", "query", "channel", "language", "mode"];

  #root = this.attachShadow({ mode: "open" });
  #live = make("p", { className: "gone", role: "status" });
  #run = 0;
  #planned = false;
  #answer = null;
  #seen = new Set();
  #unsent = new Set();
  #timers = new Map();
  #pending = new Map();
  #observer = null;
  #token = null;
  #resolve = null;
  #headers = null;
  #held = null;
  #hidden = () => document.visibilityState === "hidden" && this.#flush();
  #leaving = () => this.#flush();

  connectedCallback() {
    this.#root.adoptedStyleSheets = [STYLE];
    this.#live.setAttribute("aria-live", "polite");
    document.addEventListener("visibilitychange", this.#hidden);
    addEventListener("pagehide", this.#leaving);
    for (const name of ["token", "resolve", "headers"].filter((each) => Object.hasOwn(this, each))) {  // set before this was here
      const given = this[name];
      delete this[name];
      this[name] = given;
    }
    this.#reserve();
    this.#plan();
  }

  get token() {
    return this.#token;
  }

  set token(given) {
    [this.#token, this.#held] = [given, null];
    this.#plan();
  }

  get headers() {
    return this.#headers;
  }

  set headers(given) {
    this.#headers = given;
  }

  get resolve() {
    return this.#resolve;
  }

  set resolve(given) {
    this.#resolve = given;
    this.#plan();
  }

  disconnectedCallback() {
    this.#flush();
    this.#unwatch();
    document.removeEventListener("visibilitychange", this.#hidden);
    removeEventListener("pagehide", this.#leaving);
    this.#run += 1;
  }

  attributeChangedCallback(_name, before, after) {
    if (this.isConnected && before !== after) this.#plan();
  }

  /** Ask again, as when the basket has changed. */
  refresh() {
    this.#plan();
  }

  /** Several attributes that change together are asked for once, and never before the page has its turn. */
  #plan() {
    if (this.#planned) return;
    this.#planned = true;
    const go = () => setTimeout(() => {
      this.#planned = false;
      if (this.isConnected && this.#mayAsk) this.#load();
    });
    if (isSetUp()) go();
    else document.addEventListener("DOMContentLoaded", go, { once: true });
  }

  /** Tactful itself answers a token alone; whoever has none yet has nothing to ask. */
  get #mayAsk() {
    return this.hasAttribute("endpoint") || (this.hasAttribute("src") && Boolean(this.#token || this.getAttribute("token")));
  }

  get #language() {
    const wanted = this.getAttribute("language") || this.closest("[lang]")?.lang || navigator.language || "en";
    const short = wanted.toLowerCase().split("-")[0];
    return { no: "nb", nn: "nb" }[short] || (short in WORDS ? short : "en");
  }

  #say(name, values = {}) {
    const text = WORDS[this.#language][NAMES.indexOf(name)];
    return text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
  }

  get #base() {
    const endpoint = this.getAttribute("endpoint");
    const base = endpoint ?? (this.hasAttribute("src") ? `${this.getAttribute("src").replace(/\/$/, "")}/v1` : "");
    return base.replace(/\/$/, "");
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(`tactful:${name}`, { detail, bubbles: true, composed: true }));
  }

  #reserve() {
    if (!this.#answer) this.#root.replaceChildren(make("div", { className: "space" }));
  }

  #nothing() {
    this.#flush();
    this.#unwatch();
    this.#answer = null;
    this.#root.replaceChildren();
  }

  async #load() {
    const run = ++this.#run;
    this.#flush();
    try {
      const answer = await this.#send("POST", "recommendations", this.#question());
      if (run !== this.#run) return;
      const cards = await this.#cards(answer);
      if (run === this.#run) this.#show(answer, cards);
    } catch (error) {
      if (run !== this.#run) return;
      this.#nothing();
      this.#tell("error", { message: String(error.message || error), status: error.status ?? null });
    }
  }

  #question() {
    const text = (name) => this.getAttribute(name) || undefined;
    const context = { item_id: text("item"), query: text("query") };
    const basket = text("basket")?.split(",").map((each) => each.trim()).filter(Boolean);
    if (basket?.length) context.basket = basket;
    const asked = { placement: text("placement") ?? "home", channel: text("channel"), language: this.#language, mode: text("mode"), context };
    if (text("count")) asked.count = Number(text("count"));
    if (navigator.globalPrivacyControl) asked.gpc = true;
    return asked;
  }

  async #send(method, path, body, { keepalive = false, again = true } = {}) {
    const own = this.hasAttribute("endpoint");
    const headers = own ? { ...(typeof this.#headers === "function" ? await this.#headers() : this.#headers) } : {};
    const token = await this.#bearer(keepalive);
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body) headers["Content-Type"] = "application/json";
    const answer = await fetch(`${this.#base}/${path}`, {
      method, headers, keepalive, body: body && JSON.stringify(body),
      credentials: own ? "same-origin" : "omit", referrerPolicy: "strict-origin", cache: "no-store",
    });
    if (answer.status === 401 && again && typeof this.#token === "function") {
      this.#held = null;  // it has ended
      return this.#send(method, path, body, { keepalive, again: false });
    }
    if (!answer.ok) throw Object.assign(new Error(`answered ${answer.status}`), { status: answer.status });
    return answer.status === 204 ? null : answer.json();
  }

  /** Where the page is being left there is no time to ask for another token. */
  async #bearer(now) {
    if (typeof this.#token !== "function") return this.#token || this.getAttribute("token");
    if (!now || !this.#held) this.#held = await this.#token();
    return this.#held;
  }

  /** What items look like: by the shop's own word, else by what was answered along, else by what Tactful knows. */
  async #cards(answer) {
    const items = answer.items;
    if (!items.length) return [];
    if (this.#resolve) return Promise.all(items.map(async (item) => this.#resolve(item)));
    const known = answer.cards || (await this.#send("GET", `decisions/${encodeURIComponent(answer.decision_id)}/items`)).items;
    const by = new Map(known.map((card) => [card.item_id, card]));
    return items.map((item) => {
      const card = by.get(item.item_id);
      return card && { title: card.title, link: card.link, image: card.image_link, price: this.#price(card) };
    });
  }

  #price({ price_minor: minor, currency }) {
    if (minor === null || minor === undefined || !currency) return null;
    const format = new Intl.NumberFormat(this.#language, { style: "currency", currency });
    return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits);
  }

  #show(answer, cards) {
    const shown = answer.items.map((item, at) => [item, this.#face(item, cards[at])]).filter(([, face]) => face);
    if (!shown.length) {
      this.#nothing();
      this.#tell("empty", { decision_id: answer.decision_id, handoff: answer.handoff });
      return;
    }
    const anew = this.#answer !== null;
    this.#flush();  // while it was asked for, the answer before was there to be seen and judged
    this.#answer = answer;
    this.#unsent = new Set(shown.map(([item]) => item.item_id));
    this.#watch();
    const heading = this.getAttribute("heading") || this.#say(answer.profiling ? "forYou" : "forAnybody");
    const level = Math.min(6, Math.max(2, Number(this.getAttribute("heading-level")) || 2));
    const title = make(`h${level}`, { id: "heading", part: "heading" }, heading);
    const list = make("ul", { part: "list", role: "list" }, ...shown.map(([item, face]) => this.#item(item, face)));
    const section = make("section", { part: "section", lang: this.#language }, title, list, this.#foot(answer), this.#live);
    section.setAttribute("aria-labelledby", "heading");
    this.#live.textContent = "";
    this.#root.replaceChildren(section);
    if (anew) this.#live.textContent = this.#say("anew");
    for (const each of list.children) this.#observer?.observe(each);
    this.#tell("rendered", { decision_id: answer.decision_id, basis: answer.basis, n: shown.length });
  }

  /** What is shown of a suggestion: not one certain item where it only stands for its kind. */
  #face(item, card) {
    if (item.action === "generalise") {
      const name = item.stands_for.name.split(" > ").pop();
      return { title: this.#say("from", { name }), link: this.#pattern("group-link", item.stands_for.name) };
    }
    return card && { ...card, link: card.link || this.#pattern("item-link", item.item_id) };
  }

  #pattern(name, value) {
    return this.getAttribute(name)?.replace("{}", encodeURIComponent(value)) ?? null;
  }

  #item(item, face) {
    const link = address(face.link), image = address(face.image);
    const title = link
      ? make("a", { href: link, className: "title", part: "title link" }, face.title)
      : make("span", { className: "title", part: "title" }, face.title);
    if (link) title.addEventListener("click", () => this.#clicked(item), { capture: true });
    const entry = make("li", { part: "item" },
      image && make("img", { src: image, alt: "", loading: "lazy", decoding: "async", width: 240, height: 240, part: "image" }),
      title,
      face.price && make("p", { part: "price" }, face.price),
      item.sponsored && make("p", { className: "small", part: "sponsored" }, this.#say("sponsored")),
      this.#reason(item, face),
      make("div", { className: "acts", part: "actions" },
        this.#button("personal", face, () => this.#wave(entry, item, face, "too_personal")),
        this.#button("uninterested", face, () => this.#wave(entry, item, face, "not_interested"))));
    entry.dataset.item = item.item_id;
    return entry;
  }

  #button(word, face, act) {
    const button = make("button", { type: "button", part: "button", onclick: act }, this.#say(word));
    button.setAttribute("aria-label", `${this.#say(word)}: ${face.title}`);
    return button;
  }

  /** The reason, a press away; and in sight where a rule says that it is shown with its reason alone. */
  #reason(item, face) {
    const text = make("p", { className: "small reason", part: "reason" }, item.reason.text);
    if (item.action !== "show" || item.obligations?.includes("explain")) return text;
    const summary = make("summary", { part: "why" }, this.#say("why"), make("span", { className: "gone" }, ` ${face.title}`));
    return make("details", { part: "details" }, summary, text);
  }

  #foot(answer) {
    const parts = [];
    const parameters = this.#parameters(answer.parameters_url);
    if (parameters) parts.push(make("a", { href: parameters, part: "parameters" }, this.#say("parameters")));
    const without = answer.options?.mode === "non_profiled";
    if (answer.profiling || without) {
      const mode = without ? "profiled" : "non_profiled";
      parts.push(make("button", { type: "button", part: "button mode", onclick: () => this.setAttribute("mode", mode) }, this.#say(without ? "with" : "without")));
    }
    const contact = answer.handoff?.contact;
    if (contact) {
      const to = address(contact) ?? (contact.includes("@") ? `mailto:${contact}` : null);
      parts.push(to ? make("a", { href: to, part: "person" }, this.#say("person")) : make("span", { part: "person" }, `${this.#say("person")}: ${contact}`));
    }
    return parts.length ? make("footer", { part: "footer" }, ...parts) : null;
  }

  /** A path is one of Tactful's own: it leads somewhere only from where Tactful is. */
  #parameters(text) {
    const given = this.getAttribute("parameters-link");
    if (given) return address(given);
    if (!text?.startsWith("/")) return address(text);
    return this.hasAttribute("src") ? address(new URL(text, new URL(this.getAttribute("src"), document.baseURI)).href) : null;
  }

  /** Take an item away; the shop is told when it can no longer be taken back. */
  #wave(entry, item, face, kind) {
    const id = item.item_id;
    const undo = make("button", { type: "button", part: "button undo" }, this.#say("undo"));
    undo.setAttribute("aria-label", `${this.#say("undo")}: ${face.title}`);
    const note = make("p", { className: "small" }, this.#say("gone", { title: face.title }));
    const away = make("li", { className: "away", part: "item away" }, note, undo);
    undo.onclick = () => {
      clearTimeout(this.#pending.get(id)?.timer);
      this.#pending.delete(id);
      away.replaceWith(entry);
      this.#live.textContent = this.#say("back", { title: face.title });
      entry.querySelector("a, button, summary").focus();
      this.#tell("undone", { item_id: id, kind });
    };
    entry.replaceWith(away);
    undo.focus({ preventScroll: true });
    this.#live.textContent = this.#say("gone", { title: face.title });
    const wait = () => {  // nobody is hurried: while undo has the focus or the pointer, it stays
      if (this.#root.activeElement === undo || undo.matches(":hover")) return this.#pending.set(id, { kind, away, timer: setTimeout(wait, UNDO_MS) });
      return this.#settle(id);
    };
    this.#pending.set(id, { kind, away, timer: setTimeout(wait, UNDO_MS) });
  }

  #settle(id) {
    const { kind, away, timer } = this.#pending.get(id);
    clearTimeout(timer);
    this.#pending.delete(id);
    const list = away.parentNode;
    away.remove();
    this.#feedback([{ item_id: id, kind }]);
    if (list?.isConnected && !list.childElementCount) this.#nothing();
  }

  #clicked(item) {
    this.#tell("clicked", { item_id: item.item_id, decision_id: this.#answer.decision_id });
    this.#feedback([{ item_id: item.item_id, kind: "clicked" }]);
  }

  #unwatch() {
    this.#observer?.disconnect();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Look when each item has been seen: half of it, for a second. */
  #watch() {
    this.#unwatch();
    this.#observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const id = entry.target.dataset.item;
        clearTimeout(this.#timers.get(id));
        if (entry.intersectionRatio >= SEEN_SHARE) this.#timers.set(id, setTimeout(() => this.#saw(entry.target), SEEN_MS));
      }
    }, { threshold: [SEEN_SHARE] });
  }

  #saw(element) {
    this.#observer.unobserve(element);
    this.#seen.add(element.dataset.item);
    if (this.#seen.size === this.#unsent.size) this.#report();
  }

  /** Tell once what was seen: when all was, or when the page is left. */
  #report() {
    const seen = [...this.#seen].filter((id) => this.#unsent.delete(id));
    this.#seen.clear();
    if (!seen.length) return;
    this.#tell("shown", { decision_id: this.#answer.decision_id, item_ids: seen });
    this.#feedback(seen.map((id) => ({ item_id: id, kind: "shown" })));
  }

  /** Say what is still to be said, of the answer that is there. */
  #flush() {
    this.#report();
    for (const id of [...this.#pending.keys()]) this.#settle(id);
  }

  async #feedback(items) {
    const id = this.#answer.decision_id, body = { items };
    if (navigator.globalPrivacyControl) body.gpc = true;
    try {
      await this.#send("POST", `decisions/${encodeURIComponent(id)}/feedback`, body, { keepalive: true });
      this.#tell("feedback", { decision_id: id, items });
    } catch (error) {
      this.#tell("error", { message: String(error.message || error), status: error.status ?? null });
    }
  }
}

customElements.get("tactful-suggestions") || customElements.define("tactful-suggestions", TactfulSuggestions);
