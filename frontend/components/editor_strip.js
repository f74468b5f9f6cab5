// The time below the picture: shots, doubtful spans and findings as marks, and as a list.

const STRIP_HEIGHT_PX = 34;
const NEAR_MARK_PX = 10;
const LISTED = 20; // that are shown at a time

/** 1:05.3, or 1:05.30 where tenths don't tell frames apart. */
const moment = (seconds, digits = 1) => {
  const whole = Math.floor(seconds + 1e-9);
  const part = Math.floor((seconds + 1e-9 - whole) * 10 ** digits);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const rest = String(whole % 60).padStart(2, "0");
  const lead = hours ? `${hours}:${String(minutes).padStart(2, "0")}` : String(minutes);
  return `${lead}:${rest}.${String(part).padStart(digits, "0")}`;
};

/** Bring an element into view within `parent`, and nothing else of the page. */
const scrollWithin = (parent, element) => {
  if (!element) return;
  const [outer, inner] = [parent.getBoundingClientRect(), element.getBoundingClientRect()];
  if (inner.top < outer.top) parent.scrollTop -= outer.top - inner.top;
  else if (inner.bottom > outer.bottom) parent.scrollTop += inner.bottom - outer.bottom;
};

/** Where frames are on the strip, drawn; a click goes to a mark, or to the frame there. */
const createStrip = ({ went, chose }) => {
  const canvas = make("canvas", { className: "strip", "aria-hidden": "true" });
  const slider = make("input", { type: "range", min: 0, max: 0, step: 1, value: 0 });
  const element = make("div", { className: "time-line" }, slider, canvas);
  const context = canvas.getContext("2d");
  let [state, due] = [null, false];

  const paint = () => {
    due = false;
    const { clientWidth: width } = element;
    if (!state || !width) return;
    const ratio = Math.min(2, devicePixelRatio || 1);
    [canvas.width, canvas.height] = [Math.round(width * ratio), STRIP_HEIGHT_PX * ratio];
    canvas.style.height = `${STRIP_HEIGHT_PX}px`;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const style = getComputedStyle(element);
    const colour = (name) => style.getPropertyValue(name).trim();
    const at = (frame) => (frame / state.count) * width;
    const bar = ([first, end], y, height, fill) => {
      context.fillStyle = fill;
      context.fillRect(at(first), y, Math.max(2, at(end) - at(first)), height);
    };
    state.shots.forEach((shot, number) => {
      bar(shot, 0, STRIP_HEIGHT_PX, colour(number % 2 ? "--shot-odd" : "--shot-even"));
    });
    for (const { span, look } of state.spans) bar(span, 3, 6, colour(`--${look}`));
    for (const span of state.doubtful) bar(span, 11, 6, colour("--doubtful"));
    for (const span of state.drawn) bar(span, 19, 4, colour("--drawn"));
    for (const { frame, ticked } of state.findings) {
      const x = at(frame + 0.5);
      context.beginPath();
      context.moveTo(x, 22);
      context.lineTo(x + 5, STRIP_HEIGHT_PX - 1);
      context.lineTo(x - 5, STRIP_HEIGHT_PX - 1);
      context.closePath();
      context.lineWidth = 1.5;
      context.strokeStyle = colour("--finding");
      context.stroke();
      context.fillStyle = colour("--finding");
      if (!ticked) context.fill();
    }
    context.fillStyle = colour("--head");
    context.fillRect(at(state.frame + 0.5) - 1, 0, 2, STRIP_HEIGHT_PX);
  };
  const redraw = () => {
    if (due) return;
    due = true;
    requestAnimationFrame(paint);
  };
  const frameUnder = ({ clientX }) => {
    const box = canvas.getBoundingClientRect();
    const share = (clientX - box.left) / box.width;
    return Math.min(state.count - 1, Math.max(0, Math.floor(share * state.count)));
  };
  let dragging = false;
  canvas.addEventListener("pointerdown", (event) => {
    if (!state || event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    dragging = true;
    const frame = frameUnder(event);
    const near = (NEAR_MARK_PX / canvas.clientWidth) * state.count;
    const mark = state.findings
      .filter((one) => Math.abs(one.frame - frame) <= near)
      .sort((one, other) => Math.abs(one.frame - frame) - Math.abs(other.frame - frame))[0];
    if (mark) chose(mark.finding);
    else went(frame);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (dragging && event.buttons) went(frameUnder(event));
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, () => { dragging = false; });
  }
  slider.addEventListener("input", () => went(Number(slider.value)));
  new ResizeObserver(redraw).observe(element);
  return {
    element, slider, redraw,
    /** {count, shots, spans, doubtful, drawn, findings, frame}: frames, [first, one past last]. */
    show: (given) => {
      state = given;
      slider.max = Math.max(0, state.count - 1);
      redraw();
    },
    move: (frame, spoken) => {
      if (!state) return;
      state.frame = frame;
      if (slider.value !== String(frame)) slider.value = frame;
      slider.setAttribute("aria-valuetext", spoken);
      redraw();
    },
  };
};

/**
 * Places to look at, in the order of time: what the check found, and where it is doubtful who
 * somebody is. Each is {id, at, time, text, ticked, actions: [{name, label, pressed?, act}], go}.
 */
const createPlaces = () => {
  const heading = make("h3");
  const note = make("p", { className: "note" });
  const list = make("ul", { className: "places" });
  const more = make("button", { type: "button" });
  const element = make("section", { className: "to-look-at" }, heading, note, list, more);
  const rows = new Map();
  let [shown, places, texts] = [LISTED, [], {}];

  const createRow = () => {
    const go = make("button", { type: "button", className: "moment" });
    const words = make("span", { className: "words" });
    const actions = make("div", { className: "actions" });
    const row = { element: make("li", {}, go, words, actions), go, words, actions, place: null };
    go.addEventListener("click", () => row.place.go());
    return row;
  };
  const paintRow = (row, place) => {
    row.place = place;
    row.element.classList.toggle("ticked", place.ticked);
    say(row.go, place.time);
    row.go.setAttribute("aria-label", fill(texts.place_show, { time: place.time, text: place.text }));
    say(row.words, `${place.ticked ? "✓ " : ""}${place.text}`);
    const names = place.actions.map(({ name }) => name).join();
    if (row.names !== names) {
      row.names = names;
      row.actions.replaceChildren(...place.actions.map(({ name }) => {
        const button = make("button", { type: "button" });
        button.addEventListener("click",
          () => row.place.actions.find((action) => action.name === name).act());
        return button;
      }));
    }
    place.actions.forEach(({ label, pressed }, number) => {
      const button = row.actions.children[number];
      say(button, label);
      button.setAttribute("aria-label", `${label}: ${place.time}, ${place.text}`);
      if (pressed === undefined) button.removeAttribute("aria-pressed");
      else button.setAttribute("aria-pressed", String(pressed));
    });
  };
  const paint = () => {
    const here = places.slice(0, shown);
    const ids = new Set(here.map(({ id }) => id));
    for (const [id, row] of rows) {
      if (ids.has(id)) continue;
      row.element.remove();
      rows.delete(id);
    }
    here.forEach((place, number) => {
      if (!rows.has(place.id)) rows.set(place.id, createRow());
      const row = rows.get(place.id);
      if (list.children[number] !== row.element) {
        list.insertBefore(row.element, list.children[number] ?? null);
      }
      paintRow(row, place);
    });
    const left = places.length - here.length;
    show(more, left > 0);
    if (left > 0) say(more, fill(texts.places_more, { n: Math.min(left, LISTED) }));
    show(element, places.length > 0);
  };
  more.addEventListener("click", () => {
    shown += LISTED;
    paint();
  });
  return {
    element,
    show: (given, sentences) => {
      [places, texts] = [given, sentences];
      const open = places.filter(({ ticked }) => !ticked).length;
      say(heading, texts.places);
      say(note, fill(open ? texts.places_left : texts.places_done, { n: open }));
      paint();
    },
    /** Show the row of a place, which may be further down. */
    reveal: (id) => {
      const place = places.findIndex((one) => one.id === id);
      if (place >= shown) {
        shown = place + 1;
        paint();
      }
      scrollWithin(list, rows.get(id)?.element);
    },
  };
};
