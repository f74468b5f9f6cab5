// Pictures that are drawn over people, as files of this device.

const MOST_PICTURE_BYTES = 512 * 1024; // as the service takes it
const PNG_BEGINS = [0x89, 0x50, 0x4e, 0x47];

/** A PNG file in base64; null for one that the service doesn't take. */
const encodePicture = async (file) => {
  if (file.size > MOST_PICTURE_BYTES) return null;
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (PNG_BEGINS.some((byte, n) => bytes[n] !== byte)) return null;
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
};

/** Let somebody choose one; `chosen` gets it as `encodePicture` makes it. */
const askForPicture = (chosen) => {
  const chooser = make("input", { type: "file", accept: "image/png" });
  chooser.addEventListener("change", async () => {
    if (chooser.files.length) chosen(await encodePicture(chooser.files[0]));
  });
  chooser.click();
};
