// The edits document: changed at once, saved behind, with undo and redo (docs/editing.md).

const SAVE_AGAIN_MS = 2000;
const SAME_FRAME_SECONDS = 1e-6; // as the service rounds

const canonicals = new WeakMap();

/** An edit as a text that is equal for equal edits: the service fills in what was left out. */
const canonical = (edit) => {
  if (!canonicals.has(edit)) canonicals.set(edit, canonicalText(edit));
  return canonicals.get(edit);
};

const canonicalText = (edit) => {
  const tidy = (value) => {
    if (Array.isArray(value)) return value.map(tidy);
    if (value === null || typeof value !== "object") return value;
    const names = Object.keys(value).sort().filter((name) => value[name] != null);
    return Object.fromEntries(names.map((name) => [name, tidy(value[name])]));
  };
  const { follow, ...rest } = edit;
  return JSON.stringify(tidy(follow === false ? { ...rest, follow } : rest));
};

/** The place of the last edit that is equal to this one, or -1. */
const placeOf = (edits, edit) => {
  const wanted = canonical(edit);
  return edits.findLastIndex((other) => canonical(other) === wanted);
};

/** A list of edits after one change of it: `before` gave way to `after`, either may be missing. */
const changedBy = (edits, { before, after, at }) => {
  const place = before ? placeOf(edits, before) : (at ?? edits.length);
  if (place < 0) return after ? [...edits, after] : edits; // somebody else took it away
  const rest = edits.slice(before ? place + 1 : place);
  return [...edits.slice(0, place), ...(after ? [after] : []), ...rest];
};

/** Whether an edit is a drawn shape that is followed: a mask, or pixels that are somebody's own. */
const isDrawn = ({ kind }) => kind === "mask" || kind === "own";

/** Whether an edit counts at a time, seconds from the video's first frame. */
const countsAt = ({ start, end }, seconds) =>
  (start == null || start <= seconds + SAME_FRAME_SECONDS) &&
  (end == null || seconds + SAME_FRAME_SECONDS < end);

/**
 * The document of a project.
 *
 * changed(): it is another one now. saved(): the service has it. refused(problem): the
 * service doesn't take the last changes, which are gone. waiting(whether): it can't be reached.
 */
const createDocument = (url, { changed, saved, refused, waiting }) => {
  let [stored, etag, current] = [[], null, []];
  let [pending, done, undone] = [[], [], []];
  let [sending, later] = [false, null];

  const settle = () => {
    current = pending.reduce(changedBy, stored);
    changed();
  };
  const take = async (answer) => {
    const body = await answer.json();
    [stored, etag] = [body.document.edits, answer.headers.get("ETag")];
  };
  const load = async () => {
    const answer = await fetch(url, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    await take(answer);
    settle();
  };
  const put = () => fetch(url, {
    method: "PUT",
    headers: { "Content-Type": "application/json", "If-Match": etag },
    body: JSON.stringify({ format: "bystander-edits", version: 1, edits: current }),
  });
  const drop = (sent) => {
    const gone = new Set(sent);
    pending = pending.filter((change) => !gone.has(change));
    [done, undone] = [[], []];
    settle();
  };
  /** One try. Gives whether there is anything left to be tried at once. */
  const attempt = async () => {
    const sent = pending.length;
    const answer = await put();
    if (answer.ok) {
      await take(answer);
      pending = pending.slice(sent);
      settle();
      saved();
    } else if (answer.status === 412) {
      await load(); // somebody else was faster: what is pending is done anew on theirs
    } else if (answer.status >= 500 || answer.status === 429) {
      throw new Error(String(answer.status));
    } else {
      const problem = await answer.json().catch(() => ({}));
      drop(pending.slice(0, sent));
      refused(problem);
    }
    return pending.length > 0;
  };
  const save = async () => {
    if (sending) return;
    sending = true;
    clearTimeout(later);
    try {
      while (await attempt());
      waiting(false);
    } catch {
      waiting(true);
      later = setTimeout(save, SAVE_AGAIN_MS);
    } finally {
      sending = false;
    }
  };
  const push = (change) => {
    pending.push(change);
    settle();
    save();
  };
  const inverse = (change) => {
    const place = change.before ? placeOf(current, change.before) : undefined;
    return { before: change.after, after: change.before, at: change.after ? undefined : place };
  };
  const carry = (change, stack) => {
    stack.push(inverse(change));
    push(change);
  };
  const change = (before, after) => {
    undone = [];
    carry({ before, after }, done);
  };
  return {
    load,
    close: () => clearTimeout(later),
    get edits() { return current; },
    get unsaved() { return pending.length > 0; },
    get canUndo() { return done.length > 0 || current.length > 0; },
    get canRedo() { return undone.length > 0; },
    add: (edit) => change(undefined, edit),
    remove: (edit) => change(edit, undefined),
    replace: change,
    undo: () => {
      const last = done.pop() ?? (current.length ? { before: current.at(-1) } : null);
      if (last) carry(last, undone);
    },
    redo: () => {
      const last = undone.pop();
      if (last) carry(last, done);
    },
  };
};

/** Who is kept as the document has it, for what was fetched before its last changes. */
const createVerdicts = (edits) => {
  const by = new Map();
  const known = new Map(); // by which id somebody goes who was merged into another
  edits.forEach((edit, order) => {
    if (edit.kind === "merge") {
      for (const person of edit.persons.slice(1)) known.set(person, edit.persons[0]);
    }
    if (edit.kind !== "verdict" && edit.kind !== "erase") return;
    const who = known.get(edit.who) ?? edit.who;
    if (!by.has(who)) by.set(who, []);
    by.get(who).push({ edit, order });
  });
  const last = (ids, seconds) => {
    let found = null;
    for (const id of ids) {
      const one = by.get(id)?.findLast(({ edit }) => countsAt(edit, seconds));
      if (one && (!found || one.order > found.order)) found = one;
    }
    return found?.edit ?? null;
  };
  return {
    known: (person) => known.get(person) ?? person,
    /** "keep", "mask", "erased", or null where nothing was decided by hand. */
    at: ({ person, tracklet }, seconds) => {
      const edit = last([known.get(person) ?? person, tracklet], seconds);
      return edit && (edit.kind === "erase" ? "erased" : edit.decision);
    },
  };
};
