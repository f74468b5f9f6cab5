// Requests to the app's routes, and what all uploaders of a page share.

const STALLED = 60_000; // ms without a byte after which a connection counts as lost
const EXAMINING = 900_000; // ms that looking at a video may take before its answer comes
const FULL = "urn:bystander:too-many-projects";
const FIRST_PAUSE = 500; // ms
const LONGEST_PAUSE = 15_000; // ms

/** What is missing in this browser, or null. */
const missing = () => {
  const needed = {
    "XMLHttpRequest.upload": window.XMLHttpRequest && "upload" in XMLHttpRequest.prototype,
    "Blob.slice": window.Blob && Blob.prototype.slice,
    "Blob.arrayBuffer": window.Blob && Blob.prototype.arrayBuffer,
    "fetch": window.fetch,
  };
  return Object.keys(needed).find((name) => !needed[name]) ?? null;
};

/** Of the page, not of a component: Streamlit may mount those anew while an upload runs. */
const shared = (window.bystander ??= {
  creating: null, // the promise of the project of all uploaders of the page
  known: false, // whether Python knows that project
  videos: new Set(),
  queues: new Map(),
  guarded: false,
});

/** Ask before the page is left while something is under way, also by dropping a file beside. */
const guard = () => {
  if (shared.guarded) return;
  shared.guarded = true;
  window.addEventListener("beforeunload", (event) => {
    const busy = [...shared.videos].some((video) => video.running)
      || [...shared.queues.values()].some((queue) => queue.running);
    if (busy) event.preventDefault();
  });
  for (const name of ["dragover", "drop"]) {
    window.addEventListener(name, (event) => event.preventDefault());
  }
};

/**
 * One request. Always gives an answer; status 0: there was no connection, or it was lost.
 * `signal` ends it, `onprogress` is told the bytes that were sent.
 */
const request = (method, url, { body = null, headers = {}, onprogress, signal, patience } = {}) =>
  new Promise((resolve) => {
    const xhr = new XMLHttpRequest();
    let timer;
    const watch = (ms) => {
      clearTimeout(timer);
      timer = setTimeout(() => xhr.abort(), ms);
    };
    const stop = () => xhr.abort();
    xhr.open(method, url);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = ({ loaded }) => {
      watch(STALLED);
      onprogress?.(loaded);
    };
    xhr.upload.onload = () => watch(patience ?? STALLED);
    xhr.onloadend = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      let json = null;
      try {
        json = JSON.parse(xhr.responseText);
      } catch {
        // Not ours: the status says enough.
      }
      const header = (name) => xhr.status ? xhr.getResponseHeader(name) : null;
      resolve({ status: xhr.status, json, header });
    };
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) return resolve({ status: 0, json: null, header: () => null });
    const silent = body === null || body.size === 0; // no progress will be told
    watch(silent ? patience ?? STALLED : STALLED);
    xhr.send(body);
  });

const succeeded = ({ status }) => status >= 200 && status < 300;

/** "away": nobody answers; "crowded": somebody does, but not now. Null for all other answers. */
const passing = ({ status, json }) => {
  if (json?.type === FULL) return null; // that may take hours: nobody is told to wait for it
  if ([408, 423, 425, 429].includes(status)) return "crowded";
  if (status === 503 && json?.type !== "urn:bystander:app:unreachable") return "crowded";
  return [0, 502, 503, 504].includes(status) ? "away" : null;
};

/** Which of the texts says why a request failed. */
const reasonOf = (answer) => {
  const passed = passing(answer);
  if (passed) return passed;
  if (answer.json?.type === FULL) return "too_many_projects";
  if (answer.status === 409) {
    return answer.json?.type === "urn:bystander:too-many-photos" ? "too_many" : "busy";
  }
  return {
    401: "not_allowed", 403: "not_allowed", 404: "gone", 410: "gone", 413: "too_large",
    422: "unreadable", 507: "disk_full",
  }[answer.status] ?? "other";
};

/** Wait, each time longer; a connection that comes back ends it, and so does `signal`. */
const pause = (attempt, answer, signal) =>
  new Promise((resolve) => {
    const asked = Number(answer.header("Retry-After")) * 1000 || 0;
    const ms = Math.min(Math.max(FIRST_PAUSE * 2 ** attempt, asked), LONGEST_PAUSE);
    const done = () => {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    window.addEventListener("online", done);
    signal?.addEventListener("abort", done);
  });

/** A project for whoever needs one first; all others get the same. Gives {id} or {answer}. */
const createProject = () => {
  shared.creating ??= request("POST", "/service/projects").then((answer) => {
    if (succeeded(answer) && answer.json?.id) return { id: answer.json.id };
    shared.creating = null; // the next one tries again
    return { answer };
  });
  return shared.creating;
};

/** Python knows the project. Uploaders that weren't told yet still need the same. */
const acknowledge = async (project) => {
  if (project && (await shared.creating)?.id === project) shared.known = true;
};

/** Somebody begins anew, or has deleted what there was: the next project is another. */
const beginAnew = () => {
  if (shared.known) Object.assign(shared, { creating: null, known: false });
};

/** Why a file isn't sent at all: it may be a folder, gone, changed since, or have nothing in it. */
const unusable = async (file) => {
  if (!(await readable(file))) return "unreadable";
  return file.size === 0 ? "empty" : null;
};

/** Whether a file can be read: it may be a folder, or have been changed or removed since. */
const readable = (file, at = 0) =>
  file.slice(at, at + 1).arrayBuffer().then(() => true, () => false);
