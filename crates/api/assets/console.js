// Pages work without this. It keeps a run's progress and the bell up to date.
"use strict";

const seconds = (number) => new Promise((done) => setTimeout(done, number * 1000));

// Replaces the live part of a run until it has ended, then loads the page once more for its buttons.
async function follow(part) {
  let pause = 1;
  for (;;) {
    await seconds(document.hidden ? 5 : pause);
    try {
      const answer = await fetch(part.dataset.live, { redirect: "error", cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const html = await answer.text();
      if (answer.headers.get("x-run-ended") === "1") {
        location.reload();
        return;
      }
      part.innerHTML = html;
      pause = 1;
    } catch {
      pause = Math.min(pause * 2, 15);
    }
  }
}

// Shows how many notices are unread.
async function ring(bell) {
  const badge = bell.querySelector("[data-unread]");
  const number = bell.querySelector("[data-unread-number]");
  for (;;) {
    await seconds(document.hidden ? 60 : 10);
    try {
      const answer = await fetch(bell.dataset.unreadFrom, { redirect: "error", cache: "no-store" });
      if (!answer.ok) continue;
      const { unread } = await answer.json();
      number.textContent = String(unread);
      badge.hidden = unread === 0;
    } catch {
      // The next round tries again.
    }
  }
}

// One press is enough.
document.addEventListener("submit", (event) => {
  for (const button of event.target.querySelectorAll("button")) {
    setTimeout(() => (button.disabled = true));
  }
});
// Coming back by the browser's own button finds the form usable.
window.addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button:disabled")) button.disabled = false;
});

// One box chooses all of its form.
for (const all of document.querySelectorAll("[data-choose-all]")) {
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of all.form.querySelectorAll('input[name="id"]')) box.checked = all.checked;
  });
}

document.querySelectorAll("[data-live]").forEach(follow);
document.querySelectorAll("[data-unread-from]").forEach(ring);
