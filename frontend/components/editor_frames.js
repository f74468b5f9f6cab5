// Outlines of everyone, fetched in windows around the frame shown; a bounded number is held.

const WINDOW_FRAMES = 30;
const HELD_WINDOWS = 32;
const AT_ONCE_WINDOWS = 2;
const AGAIN_MS = 3000;

/** The frame shown at a time: `times` are when a player shows each, and the end of the last. */
const frameAt = (times, seconds) => {
  let [low, high] = [0, times.length - 2];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (times[middle] <= seconds + SAME_FRAME_SECONDS) low = middle;
    else high = middle - 1;
  }
  return low;
};

/**
 * The frames of a video.
 *
 * loaded(): some have come. decided(person, frame): the verdict by hand for somebody, or null.
 */
const createFrames = (url, count, { loaded, decided }) => {
  const windows = new Map(); // the least recently wanted first
  const flying = new Map();
  let [wanted, version, retry] = [[], 0, null];

  const windowOf = (frame) => Math.floor(frame / WINDOW_FRAMES);
  const last = windowOf(count - 1);
  const at = (frame) => windows.get(windowOf(frame))?.frames[frame % WINDOW_FRAMES] ?? null;

  /** What somebody's verdict is without decisions by hand, as far as it was ever seen. */
  const remember = (frame) => {
    const before = at(frame.frame);
    for (const one of frame.people) {
      if (decided(one, frame.frame) === null) one.base = one.verdict;
      else one.base = before?.people.find(({ tracklet }) => tracklet === one.tracklet)?.base;
    }
  };
  const load = async (number) => {
    const stop = new AbortController();
    const asked = version;
    flying.set(number, stop);
    try {
      const start = number * WINDOW_FRAMES;
      const end = Math.min(count, start + WINDOW_FRAMES);
      const answer = await fetch(`${url}?start=${start}&end=${end}`, { signal: stop.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      const { frames } = await answer.json();
      frames.forEach(remember);
      windows.delete(number);
      windows.set(number, { frames, version: asked });
      loaded();
    } catch {
      if (!stop.signal.aborted) {
        clearTimeout(retry);
        retry = setTimeout(pump, AGAIN_MS);
        return;
      }
    } finally {
      flying.delete(number);
    }
    pump();
  };
  const pump = () => {
    for (const number of wanted) {
      if (flying.size >= AT_ONCE_WINDOWS) break;
      const stale = windows.get(number)?.version !== version;
      if (stale && !flying.has(number)) load(number);
    }
    for (const number of windows.keys()) {
      if (windows.size <= HELD_WINDOWS) break;
      if (!wanted.includes(number)) windows.delete(number);
    }
  };
  return {
    at,
    /** Whether a frame was fetched with all that is saved. */
    fresh: (frame) => windows.get(windowOf(frame))?.version === version,
    /** This frame is shown, and those after it will be. */
    want: (frame) => {
      const number = windowOf(frame);
      const early = frame % WINDOW_FRAMES < WINDOW_FRAMES / 4;
      wanted = [number, number + 1, ...(early ? [number - 1] : [number + 2])]
        .filter((other) => other >= 0 && other <= last);
      const here = windows.get(number);
      if (here) {
        windows.delete(number);
        windows.set(number, here);
      }
      for (const [other, stop] of flying) if (!wanted.includes(other)) stop.abort();
      pump();
    },
    /** The service has another document: fetch again what is shown; show it as it was until then. */
    refresh: () => {
      version += 1;
      for (const stop of flying.values()) stop.abort();
      pump();
    },
    close: () => {
      wanted = [];
      clearTimeout(retry);
      for (const stop of flying.values()) stop.abort();
    },
  };
};
