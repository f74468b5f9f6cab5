// Everyone who was found, as cards: who it is, why, keep or mask, and a clip to look at.

const ICONS = { true: "✓", false: "▦", null: "◐" };
let serial = 0; // of the last click; it goes on when the gallery is mounted anew

/** The dialog in which a clip plays. Closing it gives the focus back, as dialogs do. */
const createDialog = () => {
  const video = make("video", { muted: true, loop: true, controls: true, playsInline: true });
  const title = make("h3", { id: "clip" });
  const note = make("p", { role: "status" });
  const close = make("button", { type: "button" });
  const dialog = make("dialog", { "aria-labelledby": "clip" }, title, note, video, close);
  let texts = {};
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    video.removeAttribute("src");
    video.load(); // or it would go on to be fetched
  });
  video.addEventListener("loadeddata", () => video.videoWidth && show(note, false));
  watchVideo(video, (why) => {
    show(video, false);
    say(note, why === "away" ? texts.clip_away : texts.clip_unplayable);
    show(note, true);
  });
  const open = (clip, name) => {
    say(title, name);
    video.setAttribute("aria-label", name);
    say(note, texts.clip_loading);
    show(note, true);
    show(video, true);
    video.autoplay = !calm();
    video.src = clip;
    dialog.showModal();
  };
  const tell = (given) => {
    texts = given;
    say(close, texts.close);
  };
  return { dialog, open, tell };
};

const createCard = (view, id) => {
  const picture = make("img", { loading: "lazy", decoding: "async" });
  const blank = make("div", { className: "blank" });
  const title = make("h3", { id: `title-${id}` });
  const badge = make("p", { className: "badge" });
  const lines = make("div", { className: "lines" });
  const icon = make("span", { className: "icon", "aria-hidden": "true" });
  const words = make("span");
  const verdict = make("p", { className: "verdict" }, icon, words);
  const choices = [["show", true], ["hide", false]].map(([name, keep]) => {
    const input = make("input", { type: "radio", name: `verdict-${id}` });
    const label = make("span");
    return { name, keep, input, label, element: make("label", {}, input, label) };
  });
  const toggle = make(
    "div", { className: "switch", role: "radiogroup" }, ...choices.map(({ element }) => element));
  const watch = make("button", { type: "button", id: `watch-${id}` });
  const locked = make("p", { className: "locked" });
  watch.setAttribute("aria-labelledby", `watch-${id} title-${id}`);
  const element = make(
    "article", { "aria-labelledby": `title-${id}` },
    make("div", { className: "picture" }, picture, blank), make("div", { className: "about" },
      title, badge, lines, verdict, toggle, make("div", { className: "actions" }, watch), locked),
  );
  const card = { element, pending: null };
  const paint = () => {
    const keep = card.pending ? card.pending.keep : card.data.keep;
    const { texts } = view;
    for (const choice of choices) choice.input.checked = choice.keep === keep;
    element.dataset.keep = String(keep);
    say(icon, ICONS[keep]);
    say(words, { true: texts.kept, false: texts.masked, null: texts.mixed }[keep]);
  };
  picture.addEventListener("error", () => {
    show(picture, false);
    show(blank, true);
  });
  for (const { keep, input } of choices) {
    input.addEventListener("change", () => {
      serial += 1;
      card.pending = { keep, serial };
      paint();
      view.decide();
    });
  }
  watch.addEventListener("click", () => view.open(card.data.clip, card.data.title));
  card.show = (data, answered) => {
    const { texts } = view;
    if (card.data?.picture !== data.picture) {
      show(picture, Boolean(data.picture));
      show(blank, !data.picture);
      if (data.picture) picture.src = data.picture;
    }
    card.data = data;
    if (card.pending && card.pending.serial <= answered) card.pending = null;
    picture.alt = fill(texts.picture, { title: data.title });
    say(blank, texts.no_picture);
    say(title, data.title);
    say(badge, data.badge ?? "");
    show(badge, Boolean(data.badge));
    while (lines.children.length > data.lines.length) lines.lastChild.remove();
    data.lines.forEach((line, number) => {
      if (!lines.children[number]) lines.append(make("p"));
      say(lines.children[number], line);
    });
    toggle.setAttribute("aria-label", fill(texts.choice, { title: data.title }));
    for (const { name, input, label } of choices) {
      say(label, texts[name]);
      input.disabled = data.locked;
    }
    say(locked, texts.locked);
    show(locked, data.locked);
    say(watch, data.clip_label);
    show(watch, Boolean(data.clip));
    paint();
  };
  return card;
};

const createGallery = (parent) => {
  const grid = make("div", { className: "grid" });
  const { dialog, open, tell } = createDialog();
  const view = { open, cards: new Map() };
  parent.append(grid, dialog);
  view.show = ({ cards, answered, texts }) => {
    view.texts = texts;
    tell(texts);
    const ids = new Set(cards.map((card) => card.id));
    for (const [id, card] of view.cards) {
      if (ids.has(id)) continue;
      card.element.remove();
      view.cards.delete(id);
    }
    const focused = parent.activeElement;
    cards.forEach((data, place) => {
      if (!view.cards.has(data.id)) view.cards.set(data.id, createCard(view, data.id));
      const card = view.cards.get(data.id);
      const there = grid.children[place] ?? null;
      if (there !== card.element) grid.insertBefore(card.element, there);
      card.show(data, answered);
    });
    if (focused && parent.activeElement !== focused) focused.focus(); // moving takes it away
  };
  return view;
};

export default ({ parentElement, data, setStateValue }) => {
  const view = viewIn(parentElement, createGallery);
  // All that isn't settled, and as a state: a run that another click ends before it has come to
  // read an event has lost it, be that a click here or on the button to go on.
  view.decide = () => {
    const unsettled = [...view.cards].filter(([, { pending }]) => pending);
    const decisions = Object.fromEntries(unsettled.map(([id, { pending }]) => [id, pending.keep]));
    setStateValue("decided", { decisions, serial });
  };
  view.show(data);
};
