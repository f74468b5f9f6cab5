// Two views of the people whom this browser keeps: those who can be used in this project or
// forgotten, and those of this project who can be kept.

/** Why a person's photos couldn't be sent, or null; `photos` gets {id, box} of each that was. */
const sendPerson = async ({ name, photos: kept }, known, photos) => {
  let project = known;
  if (project === null) {
    const made = await createProject();
    if (made.answer) return { reason: reasonOf(made.answer) };
    project = made.id;
  }
  for (const { blob, box } of kept) {
    const url = `/service/projects/${project}/photos?person=${encodeURIComponent(name)}`;
    const headers = { "Content-Type": "application/octet-stream" };
    const answer = await request("POST", url, { body: blob, headers, patience: EXAMINING });
    if (!succeeded(answer)) return { project, reason: reasonOf(answer) };
    photos.push({ id: answer.json?.id, box });
  }
  return { project, reason: null };
};

const createUse = (parent) => {
  const view = { pictures: [] };
  const heading = make("h3");
  const list = make("ul");
  const told = make("p", { role: "status" });
  const root = make("section", { className: "people" }, heading, list, told);
  parent.append(root);

  const createRow = (person) => {
    const { texts } = view.data;
    const { name, photos } = person;
    const url = photos[0] ? URL.createObjectURL(photos[0].blob) : "";
    if (url) view.pictures.push(url);
    const picture = make("img", { src: url, alt: "" });
    const use = make("button", { type: "button", className: "main" }, texts.use);
    use.setAttribute("aria-label", fill(texts.use_whom, { name }));
    const forget = make("button", { type: "button" }, texts.forget);
    forget.setAttribute("aria-label", fill(texts.forget_whom, { name }));
    use.addEventListener("click", async () => {
      use.disabled = true;
      say(told, fill(texts.sending, { name }));
      const sent = [];
      const { project, reason } = await sendPerson(person, view.data.project, sent);
      say(told, reason ? texts[reason] ?? texts.other : "");
      if (sent.length > 0) view.tell({ project, photos: sent });
      use.disabled = false;
    });
    forget.addEventListener("click", async () => {
      await forgetPerson(name);
      say(told, fill(texts.forgotten, { name }));
    });
    const shown = make("span", { className: "name" }, name);
    const row = make("li", {}, picture, shown, use, forget);
    show(use, !view.data.known.includes(name));
    return row;
  };
  view.paint = async () => {
    const people = (await peopleHere()).filter((one) => Array.isArray(one.photos));
    view.pictures.splice(0).forEach((url) => URL.revokeObjectURL(url));
    list.replaceChildren(...people.map(createRow));
    say(heading, view.data.texts.title);
    show(heading, people.length > 0);
    show(list, people.length > 0);
  };
  return view;
};

const createKeep = (parent) => {
  const view = {};
  const about = make("p");
  const list = make("div", { className: "actions" });
  const told = make("p", { role: "status" });
  const root = make("section", { className: "people" }, about, list, told);
  parent.append(root);

  const take = async ({ name, photos }) => {
    const kept = [];
    for (const { picture, box } of photos.slice(0, MOST_PHOTOS)) {
      const answer = await fetch(picture).catch(() => null);
      if (answer?.ok) kept.push({ blob: await answer.blob(), box });
    }
    return kept.length > 0 && keepPerson({ name, photos: kept });
  };
  const createButton = (person) => {
    const { texts } = view.data;
    const words = fill(texts.keep, { name: person.name });
    const button = make("button", { type: "button" }, words);
    button.addEventListener("click", async () => {
      button.disabled = true;
      const done = await take(person);
      say(told, fill(done ? texts.kept : texts.unkept, { name: person.name }));
      button.disabled = false;
    });
    return button;
  };
  view.paint = async () => {
    const here = new Set((await peopleHere()).map(({ name }) => name));
    const others = view.data.people.filter(({ name }) => !here.has(name));
    list.replaceChildren(...others.map(createButton));
    say(about, view.data.texts.about);
    show(about, others.length > 0);
  };
  return view;
};

const createPeople = (parent) => {
  let view = null;
  const again = () => view.paint();
  return {
    show: (data, tell) => {
      view ??= (data.people ? createKeep : createUse)(parent);
      const before = JSON.stringify(view.data);
      Object.assign(view, { data, tell });
      window.addEventListener(CHANGED, again); // the same one twice counts once
      if (before !== JSON.stringify(data)) view.paint();
    },
    leave: () => window.removeEventListener(CHANGED, again),
  };
};

export default ({ parentElement, data, setStateValue }) => {
  const view = viewIn(parentElement, createPeople);
  view.show(data, (used) => setStateValue("used", { ...used, id: `${Date.now()} ${Math.random()}` }));
  return view.leave;
};
