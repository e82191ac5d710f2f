// The live view: asks the host again and again for the latest requests, and shows each request with its steps.

const panel = document.querySelector("[data-live-url]");
const list = panel.querySelector("[data-transfers]");
const isOfOneCall = document.querySelector("[data-player]") !== null; // whose player says by itself what happens
const PAUSE = 700; // milliseconds between two questions
const SHOWN = 12;

let version = -1;
let resumes = null;
let timer;

function element(name, classes, text) {
  const made = document.createElement(name);
  if (classes) made.className = classes;
  if (text !== undefined) made.textContent = text;
  return made;
}

function row(transfer) {
  const item = element("li");
  const header = element("header");
  header.append(element("span", `chip ${transfer.state.replace(" ", "-")}`, transfer.state));
  if (transfer.resumes) header.append(element("span", "chip resumes", `resumed ${transfer.resumes}×`));
  if (!isOfOneCall) header.append(element("span", "", transfer.session_id || "unknown link"));
  header.append(element("span", "soft", transfer.route === "public" ? "public link" : "dashboard"));
  const time = element("time", "", `${transfer.at.slice(11, 19)} UTC`);
  time.dateTime = transfer.at;
  header.append(time);
  const steps = element("ul");
  steps.append(element("li", "mono", transfer.asked || "the whole recording"));
  for (const step of transfer.steps) {
    const words = [step.source, step.text].filter(Boolean).join(": ");
    steps.append(element("li", step.kind, step.times > 1 ? `${words} (${step.times} times)` : words));
  }
  item.append(header, steps);
  return item;
}

function show(answer) {
  for (const button of document.querySelectorAll(".switch")) {
    const isIn = answer.plugs[button.dataset.number];
    button.setAttribute("aria-checked", String(isIn));
    button.value = isIn ? "off" : "on";
  }
  if (answer.version === version) return;
  version = answer.version;
  const { transfers } = answer;
  if (transfers.length) list.replaceChildren(...transfers.slice(0, SHOWN).map(row));
  const total = transfers.reduce((sum, transfer) => sum + transfer.resumes, 0);
  if (!isOfOneCall && resumes !== null && total > resumes) {
    document.querySelector("#status").textContent = `Resumed from ${transfers.find((transfer) => transfer.resumes).source}`;
  }
  resumes = total;
  document.dispatchEvent(new CustomEvent("transfers", { detail: transfers }));
}

async function ask() {
  clearTimeout(timer);
  try {
    const answer = await fetch(panel.dataset.liveUrl);
    if (answer.status === 401) {
      list.replaceChildren(element("li", "soft", "The login has ended. Load the page again."));
      return;
    }
    if (answer.ok) show(await answer.json());
  } catch {
    list.replaceChildren(element("li", "soft", "The host can't be reached. Is it still running?"));
    version = -1;
  }
  timer = setTimeout(ask, PAUSE);
}

document.addEventListener("switched", ask);
ask();
