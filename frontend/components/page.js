// The page's language and title; on a new step, the focus on its first heading; that the page is the
// one in the address; that this browser knows the project again, and tells when its job has ended.

const SEARCHING = 3000; // ms in which Streamlit may still be building the page
const EVERY = 100; // ms
const LATE = 2000; // ms that Python may take to show the step of a new address

const focusHeading = () => {
  let [left, found] = [SEARCHING, false];
  clearInterval(window.bystanderHeading);
  const look = () => {
    if ((left -= EVERY) <= 0) clearInterval(window.bystanderHeading);
    // Streamlit may replace the heading once more, and the focus goes with it; but somebody may
    // also have moved it meanwhile.
    if (found && document.activeElement !== document.body) return;
    // What is stale belongs to the step before, and is about to go.
    const heading = [...document.querySelectorAll("h1")].find(
      (h1) => !h1.closest('[data-stale="true"]'),
    );
    if (!heading) return;
    found = true;
    heading.tabIndex = -1;
    heading.style.outline = "none"; // nothing can be done with it, so it needs no ring
    heading.focus();
  };
  window.bystanderHeading = setInterval(look, EVERY);
};

/**
 * An event that was on its way when Python moved on has brought the old address along, and so the
 * old step: ask again, now with the new one.
 */
const keepToAddress = (shown, askAgain) => {
  clearInterval(window.bystanderAddress);
  let late = 0;
  const look = () => {
    const wanted = new URLSearchParams(location.search).get("step") ?? "";
    late = wanted === shown ? 0 : late + EVERY;
    if (late < LATE) return;
    late = 0;
    askAgain(wanted);
  };
  window.bystanderAddress = setInterval(look, EVERY);
};

export default ({ data, setTriggerValue }) => {
  document.documentElement.lang = data.language;
  document.title = data.title;
  const skip = document.querySelector('[data-testid="stSkipToContent"]');
  if (skip) skip.textContent = data.skip; // Streamlit has it in English only
  if (data.project) rememberProject(data.project.id, data.project.name);
  watchJob(data);
  const before = window.bystanderStep;
  window.bystanderStep = data.step;
  if (before !== undefined && before !== data.step) focusHeading();
  keepToAddress(data.asked, (wanted) => setTriggerValue("elsewhere", wanted));
};
