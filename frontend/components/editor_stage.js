// The picture: the video, or stills where it can't be played, frame by frame, at any zoom.

const MAX_ZOOM = 8;
const STILLS_PER_SECOND = 4; // where they stand in for a video that doesn't play
const AWAY_MS = 3000; // until a video that couldn't be fetched is asked for again
const COPY_SECONDS = 2; // between two looks for a copy that does

/** Whether the service has a copy of the video that browsers play; it is asked until it says. */
const copied = async (address, wanted) => {
  for (;;) {
    const answer = await fetch(address, { method: "HEAD" }).catch(() => null);
    if (answer?.status !== 202) return Boolean(answer?.ok);
    const seconds = Number(answer.headers.get("Retry-After") ?? COPY_SECONDS);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    if (!wanted()) return false;
  }
};

/**
 * The picture and the canvas over it.
 *
 * framed(frame): another frame is shown. paint(context, view): draw over the picture, in display
 * pixels. playing(whether): it plays, or has stopped. stills(whether): the browser can't play the video, and
 * then: it can play a copy.
 */
const createStage = ({ framed, paint, playing, stills }) => {
  const video = make("video", {
    playsInline: true, preload: "auto", muted: true, disablePictureInPicture: true,
  });
  video.tabIndex = -1;
  const still = make("img", { hidden: true, alt: "", draggable: false });
  const media = make("div", { className: "media" }, video, still);
  const canvas = make("canvas", { tabIndex: 0, role: "application" });
  const element = make("div", { className: "stage" }, media, canvas);
  const context = canvas.getContext("2d");
  const view = { width: 16, height: 9, fit: 1, zoom: 1, left: 0, top: 0, ratio: 1 };
  let [times, pictures, frame, due, byStills] = [[0, 1], "", 0, false, false];
  let [wanted, clockwork, opened, copy] = [null, null, "", ""];

  /** Draw before the next picture of the screen, once however often it is asked for. */
  const redraw = () => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      const scale = view.fit * view.zoom * view.ratio;
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.setTransform(scale, 0, 0, scale, -view.left * scale, -view.top * scale);
      paint(context, view);
    });
  };
  const place = () => {
    const { fit, zoom, left, top } = view;
    const scale = fit * zoom;
    media.style.transform = `translate(${-left * scale}px, ${-top * scale}px) scale(${zoom})`;
    redraw();
  };
  const measure = () => {
    const { clientWidth: width, clientHeight: height } = element;
    if (!width || !height) return;
    view.ratio = Math.min(2, devicePixelRatio || 1);
    view.fit = width / view.width;
    [canvas.width, canvas.height] = [width * view.ratio, height * view.ratio].map(Math.round);
    place();
  };
  /** Zoom in or out about a place of the picture, which stays where it is. */
  const zoomTo = (zoom, x = view.left + view.width / view.zoom / 2, y = null) => {
    const about = { x, y: y ?? view.top + view.height / view.zoom / 2 };
    const next = Math.min(MAX_ZOOM, Math.max(1, zoom));
    const share = view.zoom / next;
    view.zoom = next;
    panTo(about.x - (about.x - view.left) * share, about.y - (about.y - view.top) * share);
  };
  const panTo = (left, top) => {
    view.left = Math.min(view.width * (1 - 1 / view.zoom), Math.max(0, left));
    view.top = Math.min(view.height * (1 - 1 / view.zoom), Math.max(0, top));
    element.classList.toggle("zoomed", view.zoom > 1);
    place();
  };
  const arrive = (next) => {
    redraw();
    if (next === frame) return;
    frame = next;
    framed(frame);
  };
  // What is on the screen, told by the browser; older ones tell the time only.
  const watch = () => {
    if (video.requestVideoFrameCallback) {
      video.requestVideoFrameCallback((_, { mediaTime }) => {
        if (!video.paused) arrive(frameAt(times, mediaTime));
        watch();
      });
    } else {
      video.addEventListener("timeupdate", () => {
        if (!video.paused) arrive(frameAt(times, video.currentTime));
      });
    }
  };
  const show = (next) => {
    if (byStills) {
      if (still.getAttribute("src") !== `${pictures}/${next}/picture`) {
        if (!still.complete) wanted = next; // one after the other, and only the last one wanted
        else still.src = `${pictures}/${next}/picture`;
      }
      return;
    }
    if (video.seeking) {
      wanted = next;
      return;
    }
    // Its middle: whatever a player rounds, it's this frame.
    video.currentTime = (times[next] + times[next + 1]) / 2;
  };
  const settle = () => {
    if (wanted === null) return;
    const next = wanted;
    wanted = null;
    show(next);
  };
  video.addEventListener("seeked", settle);
  still.addEventListener("load", settle);
  still.addEventListener("error", settle);
  const seek = (next) => {
    const there = Math.min(times.length - 2, Math.max(0, next));
    video.pause();
    show(there);
    arrive(there);
  };
  const pause = () => {
    clearInterval(clockwork);
    clockwork = null;
    video.pause();
    if (byStills) playing(false);
  };
  const play = () => {
    if (frame >= times.length - 2) seek(0);
    if (!byStills) {
      video.play().catch(() => {}); // refused, or interrupted by a pause
      return;
    }
    const step = Math.max(1, Math.round((times.length - 1) / times.at(-1) / STILLS_PER_SECOND));
    clockwork = setInterval(() => {
      if (frame >= times.length - 2) pause();
      else if (still.complete) arriveByStill(frame + step);
    }, 1000 / STILLS_PER_SECOND);
    playing(true);
  };
  const arriveByStill = (next) => {
    const there = Math.min(times.length - 2, next);
    show(there);
    arrive(there);
  };
  for (const name of ["play", "pause", "ended"]) {
    video.addEventListener(name, () => {
      playing(!video.paused);
      if (video.paused && !video.seeking) arrive(frameAt(times, video.currentTime));
    });
  }
  const showStills = () => {
    byStills = true;
    video.hidden = true;
    still.hidden = false;
    show(frame);
    stills(true);
    playCopy();
  };
  const playCopy = async () => {
    const address = copy;
    if (!(await copied(address, () => element.isConnected && copy === address))) return;
    video.addEventListener("loadeddata", () => {
      pause();
      [byStills, video.hidden, still.hidden] = [false, false, true];
      show(frame);
      stills(false);
    }, { once: true });
    video.src = address;
  };
  watchVideo(video, (why) => {
    if (why === "unplayable" && !byStills) showStills();
    else if (why === "away") setTimeout(() => element.isConnected && video.load(), AWAY_MS);
  });
  // Where it stood before it was away.
  video.addEventListener("loadedmetadata", () => frame > 0 && show(frame));
  const observer = new ResizeObserver(measure);
  observer.observe(element);
  watch();

  return {
    element, canvas, view, redraw, seek, play, pause, zoomTo, panTo,
    get frame() { return frame; },
    get playing() { return clockwork !== null || !video.paused; },
    get muted() { return video.muted; },
    mute: (whether) => { video.muted = whether; },
    /** Begin with a video: where it, its stills and its copy are, and its times and size. */
    open: (given) => {
      if (opened === given.src) return;
      ({ times, pictures, copy, src: opened } = given);
      [view.width, view.height] = [given.width, given.height];
      element.style.setProperty("--shape", `${given.width} / ${given.height}`);
      element.style.setProperty("--ratio", given.width / given.height);
      video.src = given.src;
      measure();
      framed(frame);
    },
    /** The place of a pointer in display pixels. */
    toPicture: ({ clientX, clientY }) => {
      const box = canvas.getBoundingClientRect();
      const scale = view.fit * view.zoom;
      return [(clientX - box.left) / scale + view.left, (clientY - box.top) / scale + view.top];
    },
    /** A place in display pixels, in pixels of the stage. */
    toStage: (x, y) => {
      const scale = view.fit * view.zoom;
      return [(x - view.left) * scale, (y - view.top) * scale];
    },
  };
};
