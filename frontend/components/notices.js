// Telling somebody who looks elsewhere that a job has ended. A notification is shown only where
// they have asked for it, by a button (notice.js); the title of the tab changes in any case.

const ASKED = "bystander.notice"; // in sessionStorage: the project, of this tab alone

const noticeAsked = (project, ask = false) => {
  try {
    if (ask) sessionStorage.setItem(ASKED, project);
    return sessionStorage.getItem(ASKED) === project;
  } catch {
    return false;
  }
};

const noticeAllowed = () => window.Notification?.permission === "granted";

/** Whether it could be shown: phones show none without a service worker. */
const notify = (title, body) => {
  if (!noticeAllowed()) return false;
  try {
    const shown = new Notification(title, { body, tag: ASKED });
    shown.addEventListener("click", () => {
      window.focus();
      shown.close();
    });
    return true;
  } catch {
    return false;
  }
};

/** `job`: {id, active, told}, the newest one; `told` is what is said once it has ended, if at all. */
const watchJob = ({ job, project, title }) => {
  const before = window.bystanderJob;
  window.bystanderJob = job;
  const ended = before?.active && job?.id === before.id && !job.active;
  if (ended && job.told && !document.hasFocus()) {
    window.bystanderMark = job.told;
    if (noticeAsked(project.id)) notify(job.told, project.name);
  }
  if (window.bystanderMark) document.title = `✓ ${window.bystanderMark}`;
  const seen = () => {
    if (!window.bystanderMark || !document.hasFocus()) return;
    window.bystanderMark = null;
    document.title = window.bystanderTitle;
  };
  window.bystanderTitle = title;
  if (!window.bystanderSeen) {
    window.bystanderSeen = true;
    window.addEventListener("focus", seen);
    document.addEventListener("visibilitychange", seen);
  }
};
