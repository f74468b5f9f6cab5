// Everyone who was found, as cards: who it is, why, keep or mask, and more by a menu.

const ICONS = { keep: "✓", mask: "▦", mixed: "◐" };

/** "1 min 20 sec", as people say it. */
const lasting = (language, seconds) => {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 60) return unit(language, whole, "second");
  const minutes = unit(language, Math.floor(whole / 60), "minute");
  return whole % 60 && whole < 600 ? `${minutes} ${unit(language, whole % 60, "second")}` : minutes;
};

/** Whoever is seen too briefly for a card has no number, but the id of that one appearance. */
const titleOf = ({ name, id }, texts) =>
  name || (id.startsWith("t") ? texts.glimpse : fill(texts.person, { n: id.slice(1) }));

const doubtfulSeconds = ({ spans }) =>
  spans.reduce((sum, { doubtful, start, end }) => sum + (doubtful ? end - start : 0), 0);

/** Who matters comes first: kept, doubtful, then by size and time. */
const byWeight = (one, other) => {
  const rank = ({ verdict, doubtful, name }) =>
    doubtful ? 0 : verdict !== "mask" || name ? 1 : 2;
  return rank(one) - rank(other) || one.review - other.review;
};

/** Why somebody is kept or masked, where something speaks for keeping them. */
const whyOf = (person, texts) => {
  let kind = person.doubtful ? "doubt" : person.kind;
  if (person.pointed_at?.length && kind !== "user") kind = "click";
  const sentence = texts[`why_${kind}`];
  const name = person.name || texts.somebody;
  return sentence ? fill(sentence, { name, samples: person.samples }) : null;
};

const createPersonCard = (view, id) => {
  const picture = make("img", { loading: "lazy", decoding: "async", draggable: false });
  const blank = make("div", { className: "blank", "aria-hidden": "true" });
  const frame = make("button", { type: "button", className: "picture" }, picture, blank);
  const title = make("h3", { id: `title-${id}` });
  const badge = make("p", { className: "badge" });
  const lines = make("p", { className: "lines" });
  const icon = make("span", { className: "icon", "aria-hidden": "true" });
  const words = make("span");
  const verdict = make("p", { className: "verdict" }, icon, words);
  const choices = ["keep", "mask"].map((decision) => {
    const input = make("input", { type: "radio", name: `verdict-${id}` });
    const label = make("span");
    input.addEventListener("change", () => view.decide(card.person, decision));
    return { decision, input, label, element: make("label", {}, input, label) };
  });
  const toggle = make("div", { className: "switch", role: "radiogroup" },
    ...choices.map(({ element }) => element));
  const watch = make("button", { type: "button", id: `watch-${id}` });
  const menu = make("button", { type: "button", className: "more", "aria-haspopup": "menu" }, "⋯");
  watch.setAttribute("aria-labelledby", `watch-${id} title-${id}`);
  const element = make("article", { "aria-labelledby": `title-${id}`, draggable: true },
    frame, make("div", { className: "about" }, title, badge, lines, verdict),
    make("div", { className: "controls" }, toggle, watch, menu));
  const card = { element, person: null };
  picture.addEventListener("error", () => {
    show(picture, false);
    show(blank, true);
  });
  frame.addEventListener("click", () => view.find(card.person));
  watch.addEventListener("click", () => view.watch(card.person));
  menu.addEventListener("click", () => view.menu(card.person, menu));
  element.addEventListener("dragstart", (event) => {
    view.dragged = id;
    event.dataTransfer.effectAllowed = "link";
    event.dataTransfer.setData("text/plain", titleOf(card.person, view.texts));
  });
  element.addEventListener("dragend", () => { view.dragged = null; });
  const over = (event) => {
    if (!view.dragged || view.dragged === id) return;
    event.preventDefault();
    element.classList.toggle("over", event.type === "dragover");
  };
  element.addEventListener("dragover", over);
  element.addEventListener("dragleave", over);
  element.addEventListener("drop", (event) => {
    over(event);
    if (view.dragged && view.dragged !== id) view.merge(id, view.dragged);
  });
  card.show = (person) => {
    const { texts } = view;
    if (card.person?.picture !== person.picture) {
      show(picture, Boolean(person.picture));
      show(blank, !person.picture);
      if (person.picture) picture.src = view.address(person.picture);
    }
    card.person = person;
    const name = titleOf(person, texts);
    say(title, name);
    picture.alt = fill(texts.picture, { title: name });
    say(blank, "?");
    frame.setAttribute("aria-label", fill(texts.find, { title: name }));
    const unsure = doubtfulSeconds(person);
    show(badge, unsure > 0);
    say(badge, unsure ? fill(texts.doubt, { time: lasting(texts.language, unsure) }) : "");
    const time = fill(texts.seconds, { time: lasting(texts.language, person.seconds) });
    say(lines, [time, whyOf(person, texts)].filter(Boolean).join(". "));
    element.dataset.verdict = person.verdict;
    say(icon, ICONS[person.verdict]);
    say(words, texts[`verdict_${person.verdict}`]);
    toggle.setAttribute("aria-label", fill(texts.choice, { title: name }));
    for (const { decision, input, label } of choices) {
      say(label, texts[`choose_${decision}`]);
      input.checked = person.verdict === decision;
    }
    say(watch, texts.clip);
    show(watch, Boolean(person.clip));
    menu.setAttribute("aria-label", fill(texts.more, { title: name }));
  };
  return card;
};

/**
 * The gallery.
 *
 * decide(person, decision), find(person): go to where they are; watch(person); menu(person, from);
 * merge(first, other): ids; address(path): where a browser finds it.
 */
const createPeople = (calls) => {
  const heading = make("h3");
  const note = make("p", { className: "note" });
  const grid = make("div", { className: "cards" });
  const summary = make("summary");
  const folded = make("div", { className: "cards" });
  const small = make("details", {}, summary, folded);
  const element = make("section", { className: "people" }, heading, note, grid, small);
  const view = { ...calls, cards: new Map(), dragged: null, texts: {} };
  const places = new Map(); // where each stands and whether aside, as when first seen
  let given = [];

  /** A card stays where it is when its verdict changes under the hand. */
  const settle = () => {
    const aside = ({ figure, verdict, doubtful, name }) =>
      figure === "small" && verdict === "mask" && !doubtful && !name;
    const fresh = given.filter(({ id }) => !places.has(id)).sort(byWeight);
    for (const person of fresh) places.set(person.id, { order: places.size, aside: aside(person) });
  };
  const fillGrid = (parent, people) => {
    const ids = new Set(people.map(({ id }) => id));
    for (const child of [...parent.children]) if (!ids.has(child.dataset.id)) child.remove();
    people.forEach((person, place) => {
      if (!view.cards.has(person.id)) {
        const card = createPersonCard(view, person.id);
        card.element.dataset.id = person.id;
        view.cards.set(person.id, card);
      }
      const card = view.cards.get(person.id);
      const there = parent.children[place] ?? null;
      if (there !== card.element) parent.insertBefore(card.element, there);
      card.show(person);
    });
  };
  const paint = () => {
    const { texts } = view;
    const ids = new Set(given.map(({ id }) => id));
    for (const id of view.cards.keys()) if (!ids.has(id)) view.cards.delete(id);
    const root = element.getRootNode();
    const focused = element.contains(root.activeElement) ? root.activeElement : null;
    settle();
    const people = [...given].sort((a, b) => places.get(a.id).order - places.get(b.id).order);
    const background = people.filter(({ id }) => places.get(id).aside);
    fillGrid(grid, people.filter(({ id }) => !places.get(id).aside));
    if (small.open) fillGrid(folded, background);
    show(small, background.length > 0);
    say(summary, fill(texts.small, { n: background.length }));
    say(heading, fill(texts.people, { n: given.length }));
    const unsure = given.reduce((sum, person) => sum + doubtfulSeconds(person), 0);
    say(note, unsure ? fill(texts.look, { time: lasting(texts.language, unsure) })
      : given.length ? texts.people_how : texts.empty);
    if (focused && root.activeElement !== focused && focused.isConnected) focused.focus();
  };
  small.addEventListener("toggle", paint);
  view.element = element;
  view.show = (people, texts) => {
    [given, view.texts] = [people, texts];
    paint();
  };
  /** One of them is another now: nothing else of the gallery changes. */
  view.update = (person) => view.cards.get(person.id)?.show(person);
  /** Mark a card, and bring it into view where the cards have a scroll bar of their own. */
  view.choose = (id) => {
    const person = given.find((one) => one.id === id);
    const scrolls = element.parentElement.scrollHeight > element.parentElement.clientHeight + 1;
    if (person && scrolls && !view.cards.get(id)?.element.isConnected) {
      small.open = true;
      paint();
    }
    for (const [other, { element: card }] of view.cards) card.classList.toggle("chosen", other === id);
    if (scrolls) scrollWithin(element.parentElement, view.cards.get(id)?.element);
  };
  return view;
};
