// The video before and after, in step: one over the other with a divide, or side by side.

const DRIFT = 0.1; // s that the two may be apart
const HANDLE = 22; // px, half of the divide's handle, as in compare.css

const createCompare = (parent) => {
  const screens = ["before", "after"].map((name) => {
    const video = make("video", { playsInline: true, muted: true, preload: "auto" });
    const label = make("p", { className: "label" });
    const element = make("div", { className: `screen ${name}` }, video, label);
    return { name, video, label, element, why: null };
  });
  const [before, after] = screens;
  const divide = make("input", { type: "range", min: 0, max: 100, value: 50, className: "divide" });
  const line = make("div", { className: "line", "aria-hidden": "true" });
  const stage = make("div", { className: "stage" }, before.element, after.element, line, divide);
  const note = make("p", { role: "status", hidden: true });
  const play = make("button", { type: "button", className: "main" });
  const seek = make("input", { type: "range", min: 0, max: 0, step: 0.1, value: 0 });
  const time = make("span", { className: "time" });
  const sound = make("button", { type: "button" });
  const layout = make("button", { type: "button" });
  const bar = make("div", { className: "bar" }, play, seek, time, sound, layout);
  const heading = make("h3");
  const marks = make("ul", { className: "marks" });
  parent.append(make("div", { className: "compare" }, stage, note, bar, heading, marks));

  const view = { beside: false, texts: {} };
  const playable = () => screens.filter((screen) => !screen.why);
  // The one that the other keeps in step with: it has the sound.
  const leader = () => (after.why && !before.why ? before : after).video;
  const follower = () => (playable().length === 2 ? before.video : null);

  const paint = () => {
    const { texts } = view;
    const both = playable().length === 2;
    const over = both && !view.beside;
    stage.classList.toggle("over", over);
    show(divide, over);
    show(line, over);
    show(layout, both);
    show(bar, playable().length > 0);
    for (const screen of screens) show(screen.element, !screen.why);
    const share = divide.value / 100;
    const at = `calc(${HANDLE}px + (100% - ${2 * HANDLE}px) * ${share})`;
    const edge = share === 0 ? "0%" : share === 1 ? "100%" : at;
    after.element.style.clipPath = over ? `inset(0 0 0 ${edge})` : "none";
    line.style.left = edge;
    divide.setAttribute("aria-valuetext", fill(texts.divide_value, { percent: divide.value }));
    say(play, leader().paused ? texts.play : texts.pause);
    say(sound, texts.sound);
    sound.setAttribute("aria-pressed", String(!leader().muted));
    say(layout, view.beside ? texts.over : texts.beside);
    const missing = screens.filter((screen) => screen.why);
    say(note, missing.map(({ name, why }) => texts[`${why}_${name}`]).join(" "));
    show(note, missing.length > 0);
  };
  const tellTime = () => {
    const { currentTime, duration: whole } = leader();
    if (Number.isFinite(whole)) seek.max = whole;
    seek.value = currentTime;
    const text = `${clock(currentTime)} / ${clock(whole)}`;
    say(time, text);
    seek.setAttribute("aria-valuetext", text);
  };
  /** Bring the follower to where the leader is. */
  const align = () => {
    const video = follower();
    if (!video) return;
    if (Math.abs(video.currentTime - leader().currentTime) > DRIFT) {
      video.currentTime = leader().currentTime;
    }
    if (leader().paused !== video.paused) {
      if (leader().paused) video.pause();
      else video.play().catch(() => {}); // refused or interrupted: aligned the next time
    }
  };
  const settle = () => {
    align();
    tellTime();
    paint();
  };
  for (const screen of screens) {
    const { video } = screen;
    watchVideo(video, (why) => {
      screen.why = why;
      video.pause();
      settle();
    });
    for (const name of ["play", "pause", "ended", "loadedmetadata", "seeked", "timeupdate"]) {
      video.addEventListener(name, () => video === leader() && settle());
    }
  }
  // Four times a second is all that `timeupdate` promises; that is enough to correct a drift.
  play.addEventListener("click", () => {
    if (leader().paused) leader().play().catch(() => {});
    else leader().pause();
  });
  seek.addEventListener("input", () => {
    leader().currentTime = Number(seek.value);
    settle();
  });
  sound.addEventListener("click", () => {
    leader().muted = !leader().muted;
    paint();
  });
  layout.addEventListener("click", () => {
    view.beside = !view.beside;
    paint();
  });
  divide.addEventListener("input", paint);

  /** Show the moment: still, so that it can be looked at. */
  const go = (at) => {
    leader().pause();
    leader().currentTime = at;
    settle();
    stage.scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "nearest" });
  };
  const list = ({ marks: given, texts }) => {
    say(heading, texts.marks);
    show(heading, given.length > 0);
    show(marks, given.length > 0);
    while (marks.children.length > given.length) marks.lastChild.remove();
    given.forEach(({ at, time: when, text }, number) => {
      if (!marks.children[number]) {
        const button = make("button", { type: "button" });
        const words = make("span", { "aria-hidden": "true" });
        button.addEventListener("click", () => go(Number(button.dataset.at)));
        marks.append(make("li", {}, button, words));
      }
      const [button, words] = marks.children[number].children;
      button.dataset.at = at;
      say(button, when);
      button.setAttribute("aria-label", fill(texts.mark, { time: when, text }));
      say(words, text);
    });
  };

  view.show = (data) => {
    view.texts = data.texts;
    list(data);
    for (const screen of screens) {
      const { name, video } = screen;
      if (video.getAttribute("src") !== data[name]) {
        screen.why = null;
        video.src = data[name];
      }
      say(screen.label, data.texts[name]);
      video.setAttribute("aria-label", data.texts[name]);
    }
    divide.setAttribute("aria-label", data.texts.divide);
    seek.setAttribute("aria-label", data.texts.seek);
    tellTime();
    paint();
  };
  return view;
};

export default ({ parentElement, data }) => {
  viewIn(parentElement, createCompare).show(data);
};
