// The projects that were begun in this browser, each as the service knows it now. Those that it
// doesn't know any more go from the list.

const GONE = [404, 410];

/** How far a project is: the name of its sentence. */
const stateOf = ({ job, result, video }) => {
  if (job === "queued" || job === "running") return "working";
  if (result) return result.current ? "done" : "changed";
  if (job === "failed") return "failed";
  if (job === "done") return "found";
  return video?.state === "ready" ? "ready" : "begun";
};

const createProjects = (parent) => {
  const view = { rows: new Map() };
  const heading = make("h3");
  const about = make("p", { className: "about" });
  const list = make("ul");
  const forget = make("button", { type: "button" });
  const sure = make("button", { type: "button", className: "main" });
  const back = make("button", { type: "button" });
  const question = make("p", { role: "status" });
  const actions = make("div", { className: "actions" }, forget, sure, back);
  const root = make("section", { className: "projects" }, heading, about, list, question, actions);
  parent.append(root);

  const ask = (asking) => {
    say(question, asking ? view.texts.forget_sure : "");
    show(question, asking);
    show(forget, !asking);
    show(sure, asking);
    show(back, asking);
  };
  forget.addEventListener("click", () => {
    ask(true);
    back.focus();
  });
  back.addEventListener("click", () => {
    ask(false);
    forget.focus();
  });
  sure.addEventListener("click", () => {
    keep(PROJECTS, []);
    ask(false);
    view.paint();
  });

  const createRow = ({ id }) => {
    const link = make("a", { className: "name" });
    const when = make("span");
    const state = make("span", { className: "state" });
    const element = make("li", {}, link, when, state);
    list.append(element);
    return { id, element, link, when, state, asked: false };
  };
  const askService = async (row) => {
    row.asked = true;
    const answer = await fetch(`/service/projects/${row.id}`).catch(() => null);
    if (answer && GONE.includes(answer.status)) {
      forgetProject(row.id);
      return view.paint();
    }
    const found = answer?.ok ? await answer.json().catch(() => null) : null;
    row.told = found ? stateOf(found) : "away";
    if (found?.video?.name) rememberProject(row.id, found.video.name);
    view.paint();
  };
  view.paint = () => {
    const { texts } = view;
    const here = projectsHere();
    const shape = new Intl.DateTimeFormat(texts.language, { dateStyle: "medium", timeStyle: "short" });
    for (const one of here) {
      if (!view.rows.has(one.id)) view.rows.set(one.id, createRow(one));
      const row = view.rows.get(one.id);
      row.link.href = `?${new URLSearchParams({ project: one.id, lang: texts.language })}`;
      say(row.link, one.name || texts.unnamed);
      say(row.when, shape.format(one.when));
      say(row.state, row.told ? texts[row.told] : texts.asking);
      list.append(row.element); // in their order
    }
    for (const [id, row] of view.rows) {
      if (here.some((one) => one.id === id)) continue;
      row.element.remove();
      view.rows.delete(id);
    }
    say(heading, texts.title);
    say(about, texts.about);
    say(forget, texts.forget);
    say(sure, texts.forget_go);
    say(back, texts.back);
    show(root, here.length > 0);
  };
  view.refresh = async () => {
    // One after the other: a list may be long, and the service has others to answer.
    for (const row of [...view.rows.values()]) {
      if (!row.asked) await askService(row);
    }
  };
  view.show = (texts) => {
    const first = !view.texts;
    view.texts = texts;
    view.paint();
    if (first) ask(false);
    view.refresh();
  };
  return view;
};

export default ({ parentElement, data }) => {
  viewIn(parentElement, createProjects).show(data.texts);
};
