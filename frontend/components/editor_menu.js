// A menu of what can be done to somebody, and the dialogs: a clip, and which appearances to split.

/**
 * A menu within `parent`, at most one of which is open.
 *
 * open(items, {title, at, back}): items are {label, act, note?} or null for a line between; `at` is
 * [x, y] in pixels of `parent`; the focus goes back to `back`.
 */
const createMenu = (parent) => {
  const title = make("p", { className: "title", id: "menu-title" });
  const list = make("div", { role: "menu", "aria-labelledby": "menu-title" });
  const element = make("div", { className: "menu", hidden: true }, title, list);
  parent.append(element);
  let back = null;

  const items = () => [...list.querySelectorAll('[role="menuitem"]')];
  const close = (focus = true) => {
    if (element.hidden) return;
    element.hidden = true;
    if (focus) back?.focus({ preventScroll: true });
  };
  element.addEventListener("keydown", (event) => {
    const here = items();
    const place = here.indexOf(event.target);
    const next = {
      ArrowDown: (place + 1) % here.length,
      ArrowUp: (place - 1 + here.length) % here.length,
      Home: 0,
      End: here.length - 1,
    }[event.key];
    if (event.key === "Escape" || event.key === "Tab") close();
    else if (next !== undefined) here[next].focus();
    else {
      event.stopPropagation();
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
  // A finger's click comes after the menu that it opened, and may hit what has come under it.
  let begunOutside = false;
  parent.addEventListener("pointerdown", (event) => {
    begunOutside = !event.composedPath().includes(element);
    if (!element.hidden && begunOutside) close(false);
  });
  parent.addEventListener("click", () => {
    begunOutside = false;
  });
  const open = (given, { name, at: [x, y], from }) => {
    back = from;
    say(title, name);
    list.replaceChildren(...given.map((item) => {
      if (!item) return make("div", { role: "separator" });
      const button = make("button", { type: "button", role: "menuitem", tabIndex: -1 });
      if (item.picture) button.append(make("img", { src: item.picture, alt: "", loading: "lazy" }));
      button.append(item.label);
      if (item.look) button.dataset.look = item.look;
      button.addEventListener("click", ({ detail }) => {
        if (begunOutside && detail) return; // by a key it is 0
        close();
        item.act();
      });
      return button;
    }));
    element.hidden = false;
    const { clientWidth: width, clientHeight: height } = parent;
    element.style.left = `${Math.max(4, Math.min(x, width - element.offsetWidth - 4))}px`;
    const above = y + element.offsetHeight > height && y > element.offsetHeight;
    element.style.top = `${Math.max(4, above ? y - element.offsetHeight : y)}px`;
    items()[0]?.focus({ preventScroll: true });
    element.scrollIntoView({ block: "nearest" });
  };
  return { open, close, get shown() { return !element.hidden; } };
};

/** The dialog in which a clip plays. Closing it gives the focus back, as dialogs do. */
const createClip = () => {
  const video = make("video", { muted: true, loop: true, controls: true, playsInline: true });
  const title = make("h3", { id: "clip" });
  const note = make("p", { role: "status" });
  const close = make("button", { type: "button" });
  const dialog = make("dialog", { "aria-labelledby": "clip" }, title, note, video, close);
  let texts = {};
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  dialog.addEventListener("keydown", (event) => event.stopPropagation());
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

/** The dialog that asks which appearances of a person are somebody else. */
const createSplit = () => {
  const title = make("h3", { id: "split" });
  const note = make("p");
  const list = make("div", { className: "appearances" });
  const go = make("button", { type: "button", className: "main" });
  const close = make("button", { type: "button" });
  const dialog = make("dialog", { "aria-labelledby": "split" }, title, note, list,
    make("div", { className: "actions" }, go, close));
  let done = null;
  const chosen = () => [...list.querySelectorAll("input:checked")].map(({ value }) => value);
  const paint = () => {
    const count = chosen().length;
    go.disabled = count === 0 || count === list.children.length;
  };
  list.addEventListener("change", paint);
  dialog.addEventListener("keydown", (event) => event.stopPropagation());
  close.addEventListener("click", () => dialog.close());
  go.addEventListener("click", () => {
    dialog.close();
    done(chosen());
  });
  /** appearances: [{id, picture, label}]; `split` gets the ids of those chosen. */
  const open = (name, appearances, texts, split) => {
    done = split;
    say(title, name);
    say(note, texts.split_how);
    say(go, texts.split_go);
    say(close, texts.cancel);
    list.replaceChildren(...appearances.map(({ id, picture, label }) => {
      const image = picture ? make("img", { src: picture, alt: "", loading: "lazy" }) : "";
      return make("label", {}, make("input", { type: "checkbox", value: id }), image,
        make("span", {}, label));
    }));
    paint();
    dialog.showModal();
  };
  return { dialog, open };
};
