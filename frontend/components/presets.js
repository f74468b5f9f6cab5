// Effects with a name, in this browser: [{name, effect}], the newest last. `effect` is what was
// chosen of look and sound, by name, all of it text; a picture is in base64.

const PRESETS = "presets";
const MOST_PRESETS = 20;
const LONGEST_NAME = 40; // characters
const MOST_TEXT = 3_000_000; // characters, of all presets: browsers keep about 5 million of a site

const presetsHere = () =>
  recall(PRESETS, []).filter(
    (one) => typeof one?.name === "string" && one.effect && typeof one.effect === "object",
  );

/** Whether they could be kept. */
const keepPresets = (presets) =>
  JSON.stringify(presets).length <= MOST_TEXT && keep(PRESETS, presets);

const createPresets = (parent) => {
  const view = {};
  const heading = make("h3");
  const list = make("ul");
  const label = make("label");
  const name = make("input", { type: "text", maxLength: LONGEST_NAME });
  const save = make("button", { type: "submit" });
  const told = make("p", { className: "unseen", role: "status" });
  const form = make("form", {}, label, save);
  const words = make("span");
  label.append(words, name);
  parent.append(make("section", { className: "presets" }, heading, list, form, told));

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const called = name.value.trim();
    if (!called) return name.focus();
    const others = presetsHere().filter((one) => one.name !== called);
    const entry = { name: called, effect: view.data.current };
    const kept = keepPresets([...others, entry].slice(-MOST_PRESETS));
    const { saved, unkept } = view.data.texts;
    say(told, fill(kept ? saved : unkept, { name: called }));
    told.classList.toggle("unseen", kept);
    name.value = "";
    view.paint();
  });
  const createRow = (one) => {
    const { use, remove } = view.data.texts;
    const button = make("button", { type: "button", className: "use" }, one.name);
    button.setAttribute("aria-label", fill(use, { name: one.name }));
    const cross = make("button", { type: "button", className: "cross" }, "×");
    cross.setAttribute("aria-label", fill(remove, { name: one.name }));
    button.addEventListener("click", () => view.choose(one.effect));
    cross.addEventListener("click", () => {
      keep(PRESETS, presetsHere().filter((other) => other.name !== one.name));
      view.paint();
      (list.querySelector("button") ?? name).focus();
    });
    return make("li", {}, button, cross);
  };
  view.paint = () => {
    const { texts } = view.data;
    list.replaceChildren(...presetsHere().map(createRow));
    show(list, list.childElementCount > 0);
    say(heading, texts.title);
    say(words, texts.name);
    say(save, texts.save);
  };
  view.show = (data) => {
    const again = view.data && view.data.texts.language === data.texts.language;
    view.data = data;
    if (!again) view.paint(); // else a click on a row that is made anew would be lost
  };
  return view;
};

export default ({ parentElement, data, setTriggerValue }) => {
  const view = viewIn(parentElement, createPresets);
  // Once: a state would send a picture with every later event of the page.
  view.choose = (effect) => setTriggerValue("chosen", effect);
  view.show(data);
};
