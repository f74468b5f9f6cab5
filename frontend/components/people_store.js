// People whom somebody keeps for the next video: their photos, in this browser's IndexedDB.
// Nothing of them is on a server before they are used.

const DATABASE = "bystander";
const PEOPLE = "people";
const MOST_PHOTOS = 10; // of a person
const CHANGED = "bystander-people"; // all views of the page are to look again

const withPeople = (mode, act) =>
  new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(PEOPLE, { keyPath: "name" });
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction(PEOPLE, mode);
      const asked = act(transaction.objectStore(PEOPLE));
      transaction.oncomplete = () => {
        database.close();
        resolve(asked.result);
      };
      transaction.onerror = transaction.onabort = () => {
        database.close();
        reject(transaction.error);
      };
    };
  });

/** [{name, photos: [{blob, box}]}], `box` of the face that is meant, in pixels of the photo. */
const peopleHere = () => withPeople("readonly", (people) => people.getAll()).catch(() => []);

/** Whether this browser keeps them; private windows may not. */
const keepPerson = (person) =>
  withPeople("readwrite", (people) => people.put(person)).then(() => true, () => false)
    .finally(() => window.dispatchEvent(new Event(CHANGED)));

const forgetPerson = (name) =>
  withPeople("readwrite", (people) => people.delete(name)).catch(() => null)
    .finally(() => window.dispatchEvent(new Event(CHANGED)));
