// The page's language and title; on a new step, the focus on its first heading.

const SEARCHING = 3000; // ms in which Streamlit may still be building the page
const EVERY = 100; // ms

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

export default ({ data }) => {
  document.documentElement.lang = data.language;
  document.title = data.title;
  const skip = document.querySelector('[data-testid="stSkipToContent"]');
  if (skip) skip.textContent = data.skip; // Streamlit has it in English only
  const before = window.bystanderStep;
  window.bystanderStep = data.step;
  if (before !== undefined && before !== data.step) focusHeading();
};
