// What the pages do beyond plain HTML. Everything that comes from a device is put in as text, never as markup.
"use strict";

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// A choice shows itself at once; without this script a button does.
for (const form of document.querySelectorAll("form[data-submits]")) {
  form.querySelector("button").hidden = true;
  form.addEventListener("change", () => form.requestSubmit());
}

// The playing head of a recording.
const sound = document.querySelector(".sound");
if (sound && sound.querySelector("audio")) {
  const audio = sound.querySelector("audio");
  const head = sound.querySelector(".head");
  const follow = () => {
    const x = audio.duration ? (1000 * audio.currentTime) / audio.duration : 0;
    head.setAttribute("x1", x);
    head.setAttribute("x2", x);
    if (!audio.paused) requestAnimationFrame(follow);
  };
  audio.addEventListener("play", follow);
  audio.addEventListener("seeked", follow);
}

// Live.
const ways = document.getElementById("ways");
if (ways) {
  const rings = document.getElementById("rings");
  const wire = document.getElementById("wire");
  const cards = new Map();

  const card = (event) => {
    let found = cards.get(event.id);
    if (!found) {
      document.getElementById("quiet").hidden = true;
      found = element("li", "way");
      found.append(element("p", "when", event.device), element("p", "heard"), element("p", "answer"), element("ol"));
      cards.set(event.id, found);
      ways.prepend(found);
      while (ways.children.length > 20) ways.lastChild.remove();
    }
    return found;
  };

  const gone = (id, says) => {
    const found = cards.get(id);
    if (!found) return;
    found.classList.add("gone");
    found.querySelector(".heard").textContent = says;
    found.querySelector(".answer").textContent = "";
    found.querySelector("ol").replaceChildren();
  };

  const show = {
    state(event) {
      let ring = [...rings.children].find((one) => one.dataset.device === event.device);
      if (!ring) {
        for (const none of rings.querySelectorAll(".none")) none.remove();
        ring = element("li");
        ring.dataset.device = event.device;
        ring.append(element("span", "ring"), element("strong", "", event.device), element("span", "says"));
        rings.append(ring);
      }
      ring.querySelector(".ring").className = `ring ${event.attention}`;
      ring.querySelector(".says").textContent = event.says;
    },
    heard(event) {
      const said = card(event).querySelector(".heard");
      said.replaceChildren();
      if (!event.words.length) said.textContent = event.text || "(nothing but its name)";
      for (const [word, confidence] of event.words) {
        said.append(element("span", confidence < 0.75 ? "unsure" : "", word), " ");
      }
    },
    answer(event) {
      card(event).querySelector(".answer").textContent = event.text;
    },
    stored(event) {
      const places = card(event).querySelector("ol");
      places.replaceChildren(
        ...event.places.map((place) => {
          const stored = element("li");
          stored.append(element("b", "", place.name), element("span", "", place.says));
          stored.append(element("span", "rule", place.rule));
          stored.title = place.clause;
          return stored;
        }),
      );
    },
    forgotten: (event) => gone(event.id, "(not kept)"),
    refused: (event) => gone(event.id, "(refused)"),
    forget: (event) => event.ids.forEach((id) => gone(id, "(deleted)")),
  };

  const source = new EventSource("/live/events");
  source.addEventListener("open", () => ways.setAttribute("data-open", "yes"));
  source.addEventListener("message", (message) => {
    const event = JSON.parse(message.data);
    wire.prepend(element("li", "", `${event.topic}  ${event.bytes} bytes`));
    while (wire.children.length > 100) wire.lastChild.remove();
    if (show[event.kind]) show[event.kind](event);
  });
}
