// Forms and links that change a part of the page without loading it anew, and the button that copies.
// Without JavaScript the same forms and links work as usual.

const TOAST = 8000; // milliseconds
const toast = document.querySelector("#toast");
let fading;

// What only a script can tell. It floats, so that nothing on the page moves.
export function say(text) {
  clearTimeout(fading);
  toast.textContent = text;
  fading = setTimeout(() => { toast.textContent = ""; }, TOAST);
}

// Replaces the element with this id by the one of the page at `url`; a page that is another one is loaded as a whole.
export async function swap(id, url, options) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch {
    say("The host can't be reached. Is it still running?");
    return false;
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const part = page.getElementById(id);
  if (!answer.ok) {
    say(page.querySelector("main [data-says]")?.textContent.trim() || `The host answers ${answer.status}.`);
    return false;
  }
  if (part === null) {
    location.assign(answer.url);
    return false;
  }
  const focused = document.getElementById(id).contains(document.activeElement) ? marker(document.activeElement) : null;
  document.getElementById(id).replaceWith(part);
  if (focused !== null) focusAgain(part, focused);
  document.querySelector("#status").textContent = part.querySelector("[data-says]")?.textContent ?? "";
  const outcome = page.querySelector("#outcome");
  if (outcome) {
    document.querySelector("#outcome").textContent = outcome.textContent;
    document.querySelector("#outcome").className = outcome.className;
  }
  return answer;
}

const marker = (element) => element.dataset.number ?? element.textContent.trim();

// The same control as before, or what stands in its place now.
function focusAgain(part, focused) {
  const controls = [...part.querySelectorAll("a, button, summary, input:not([type=hidden])")]
    .filter((item) => item.checkVisibility());
  const chosen = controls.find((item) => marker(item) === focused)
    ?? part.querySelector(".changes :is(summary, button)") ?? controls[0];
  chosen?.focus({ preventScroll: true });
}

async function refresh(panel) {
  const answer = await fetch(panel.dataset.refresh).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const focused = panel.contains(document.activeElement) ? document.activeElement.dataset.number : null;
  panel.innerHTML = await answer.text();
  if (focused) panel.querySelector(`[data-number="${focused}"]`)?.focus({ preventScroll: true });
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  const data = new FormData(form, event.submitter);
  if (form.dataset.switch !== undefined) {
    event.preventDefault();
    await fetch(form.action, { method: "POST", body: new URLSearchParams(data) }).catch(() => null);
    document.dispatchEvent(new Event("switched"));
    const panel = form.closest("[data-refresh]");
    if (panel) await refresh(panel);
  } else if (form.dataset.swap && form.method === "post") {
    event.preventDefault();
    await swap(form.dataset.swap, form.action, { method: "POST", body: new URLSearchParams(data) });
  } else if (form.dataset.swap) {
    event.preventDefault();
    find(form);
  }
});

async function find(form) {
  const url = `${form.action}?${new URLSearchParams(new FormData(form))}`;
  if (await swap(form.dataset.swap, url)) history.replaceState(null, "", url);
}

let waiting;
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-live]");
  if (!form) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => find(form), 200);
});

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-swap]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    if (!(await swap(link.dataset.swap, link.href))) return;
    history.replaceState(null, "", link.href);
    const chosen = new URL(link.href).searchParams;
    for (const name of ["sort", "order"]) document.querySelector(`.search [name=${name}]`).value = chosen.get(name);
  }
  if (event.target.closest("[data-cancel]")) {
    event.preventDefault();
    cancel();
  }
  const copying = event.target.closest("[data-copy]");
  if (copying) copy(document.getElementById(copying.dataset.copy));
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") cancel();
});

document.addEventListener("toggle", ({ target }) => {
  if (target.matches("[data-change][open]")) target.querySelector("[data-cancel]").focus({ preventScroll: true });
}, true);

// Closes the question that is open.
function cancel() {
  const open = document.querySelector("details[data-change][open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus({ preventScroll: true });
}

async function copy(link) {
  try {
    await navigator.clipboard.writeText(link.href);
    say("The link is in the clipboard.");
  } catch {
    getSelection().selectAllChildren(link);
    say("The link is selected; copy it with Ctrl+C.");
  }
}

function refreshAll() {
  for (const panel of document.querySelectorAll("[data-refresh]")) refresh(panel);
}

document.addEventListener("stored", refreshAll);
refreshAll();
