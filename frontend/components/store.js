// What this browser keeps between visits, by name. Nothing of it is known to any server.

/** What is kept, or `otherwise`: where there is nothing, or something that isn't ours. */
const recall = (name, otherwise) => {
  try {
    const found = JSON.parse(localStorage.getItem(`bystander.${name}`));
    return found !== null && Array.isArray(found) === Array.isArray(otherwise) ? found : otherwise;
  } catch {
    return otherwise;
  }
};

/** Keep it; whether this browser does (private windows may not). */
const keep = (name, value) => {
  try {
    localStorage.setItem(`bystander.${name}`, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
};

const PROJECTS = "projects";
const MOST_PROJECTS = 30;

/** Projects of this browser, the newest first: [{id, name, when}], `when` in ms since the epoch. */
const projectsHere = () =>
  recall(PROJECTS, []).filter(
    (one) => /^[0-9a-f]{1,64}$/.test(one?.id) && Number.isFinite(one.when),
  );

const rememberProject = (id, name) => {
  const others = projectsHere();
  const known = others.find((one) => one.id === id);
  if (known && known.name === name) return;
  const entry = { id, name, when: known?.when ?? Date.now() };
  const rest = others.filter((one) => one !== known);
  keep(PROJECTS, [entry, ...rest].sort((a, b) => b.when - a.when).slice(0, MOST_PROJECTS));
};

const forgetProject = (id) => keep(PROJECTS, projectsHere().filter((one) => one.id !== id));
