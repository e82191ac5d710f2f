// Forms and links that change a part of the page without loading it anew, and the button that copies.
// Without JavaScript the same forms and links work as usual.

const notice = document.querySelector("#notice");

export function say(text) {
  notice.textContent = "";
  requestAnimationFrame(() => { notice.textContent = text; });
}

// Replaces the element with this id by the one of the page at `url`; a page that is another one is loaded as a whole.
async function swap(id, url, options) {
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
    say(page.querySelector("main p:not(.code)")?.textContent.trim() || `The host answers ${answer.status}.`);
    return false;
  }
  if (part === null) {
    location.assign(answer.url);
    return false;
  }
  const focused = document.getElementById(id).contains(document.activeElement) ? marker(document.activeElement) : null;
  document.getElementById(id).replaceWith(part);
  if (focused !== null) {
    const controls = [...part.querySelectorAll("a, button, input:not([type=hidden])")];
    (controls.find((item) => marker(item) === focused) ?? controls[0])?.focus();
  }
  say(page.querySelector("#notice").textContent);
  document.querySelector("#status").textContent = part.querySelector("[data-says]")?.textContent ?? "";
  return answer;
}

const marker = (element) => element.dataset.number ?? element.textContent.trim();

async function refresh(panel) {
  const answer = await fetch(panel.dataset.refresh).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const focused = panel.contains(document.activeElement) ? document.activeElement.dataset.number : null;
  panel.innerHTML = await answer.text();
  if (focused) panel.querySelector(`[data-number="${focused}"]`)?.focus();
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
  const copying = event.target.closest("[data-copy]");
  if (copying) {
    const field = document.getElementById(copying.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      say("The link is in the clipboard.");
    } catch {
      say("The link is selected; copy it with Ctrl+C.");
    }
  }
});

for (const panel of document.querySelectorAll("[data-refresh]")) refresh(panel);
