// The buttons below the picture: playing, zooming, tools, undo and redo; and what was done.

/** A row of buttons: {name: {icon?, act, pressed?}}; their words come with the texts. */
const createBar = (className, buttons) => {
  const element = make("div", { className: `bar ${className}`, role: "toolbar" });
  const made = {};
  for (const [name, { icon, act }] of Object.entries(buttons)) {
    const words = make("span");
    const button = make("button", { type: "button" });
    if (icon) button.append(make("span", { className: "icon", "aria-hidden": "true" }, icon));
    button.append(words);
    button.classList.toggle("sign", Boolean(icon));
    button.addEventListener("click", act);
    made[name] = { button, words, icon };
    element.append(button);
  }
  return {
    element,
    buttons: Object.fromEntries(Object.entries(made).map(([name, { button }]) => [name, button])),
    /** The words of each button; those with an icon are named by them where they are narrow. */
    tell: (label, words) => {
      element.setAttribute("aria-label", label);
      for (const [name, text] of Object.entries(words)) {
        say(made[name].words, text);
        made[name].button.title = made[name].icon ? text : "";
      }
    },
    press: (name, pressed) => made[name].button.setAttribute("aria-pressed", String(pressed)),
    enable: (name, enabled) => { made[name].button.disabled = !enabled; },
    show: (name, shown) => show(made[name].button, shown),
  };
};

/** What is below the picture. `acts`: by the names of buttons. */
const createBars = (acts) => {
  const transport = createBar("transport", {
    back: { icon: "‹", act: acts.back },
    play: { act: acts.play },
    on: { icon: "›", act: acts.on },
    previous: { icon: "«", act: acts.previous },
    next: { icon: "»", act: acts.next },
    smaller: { icon: "−", act: acts.smaller },
    larger: { icon: "+", act: acts.larger },
    sound: { act: acts.sound },
  });
  const time = make("span", { className: "time" });
  transport.element.append(time);
  transport.buttons.play.classList.add("main");
  const tools = createBar("tools", {
    box: { act: acts.box },
    ellipse: { act: acts.ellipse },
    always: { act: acts.always },
    never: { act: acts.never },
    undo: { icon: "↶", act: acts.undo },
    redo: { icon: "↷", act: acts.redo },
  });
  const told = make("p", { className: "told" });
  const remove = make("button", { type: "button" });
  const done = make("button", { type: "button" });
  remove.addEventListener("click", acts.remove);
  done.addEventListener("click", acts.done);
  const tray = make("div", { className: "tray", hidden: true }, told, remove, done);
  const status = make("p", { className: "status", role: "status" });
  const legend = make("p", { className: "legend" });
  const keys = make("details", { className: "keys" }, make("summary"), make("p"));
  const parts = ["keep", "mask", "doubtful", "drawn"].map((look) => {
    const words = make("span");
    legend.append(make("span", {}, make("i", { className: look, "aria-hidden": "true" }), words));
    return { look, words };
  });
  return {
    transport, tools, time, tray, told, status, remove, done,
    elements: [tray, tools.element, status, legend, keys],
    tell: (texts) => {
      transport.tell(texts.transport, {
        back: texts.back, on: texts.on, previous: texts.previous, next: texts.next,
        smaller: texts.smaller, larger: texts.larger, sound: texts.sound,
      });
      tools.tell(texts.tools, {
        box: texts.tool_box, ellipse: texts.tool_ellipse, always: texts.tool_always,
        never: texts.tool_never, undo: texts.undo, redo: texts.redo,
      });
      say(remove, texts.remove);
      say(done, texts.done);
      for (const { look, words } of parts) say(words, texts[`legend_${look}`]);
      say(keys.children[0], texts.keys);
      say(keys.children[1], texts.keys_list);
    },
    play: (playing, texts) => transport.tell(texts.transport, {
      play: playing ? texts.pause : texts.play,
    }),
  };
};
