// The player: a deck of its own around the native <audio>, which does the playing and asks for ranges.

import { swap } from "./pages.js";

const card = document.querySelector("[data-player]");
const audio = card.querySelector("audio");
const seek = card.querySelector(".seek");
const play = card.querySelector("[data-play]");
const state = card.querySelector("[data-state]");
const text = card.querySelector("[data-state-text]");
const again = card.querySelector(".state-more");
const STEP = 5; // seconds, for an arrow key
const PAUSE = 2000; // milliseconds until a recording that is not stored yet is asked for again
const WHY = {
  missing: "No source has this recording any more.",
  archived: "The recording is archived. It plays when storage has restored it.",
  unreachable: "No source that has this recording can be reached at the moment.",
  unknown: "The host does not say why. Is it still running? Load the page again.",
};

let dragging = false;
let waiting; // for the recording to be stored
let wasTriedAgain = false;

function clock(seconds) {
  const whole = Math.floor(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

export function show(name, words) {
  if (state.dataset.state === name && text.textContent === words) return;
  state.dataset.state = name;
  text.textContent = words;
  again.hidden = name !== "gone";
}

function length() {
  return Number.isFinite(audio.duration) ? audio.duration : Number(card.dataset.seconds) || 0;
}

function paint(position) {
  const whole = length() || 1;
  const ranges = audio.buffered;
  let loaded = position;
  for (let i = 0; i < ranges.length; i += 1) {
    if (ranges.start(i) <= position + 1 && ranges.end(i) > loaded) loaded = ranges.end(i);
  }
  seek.style.setProperty("--played", `${(100 * position) / whole}%`);
  seek.style.setProperty("--loaded", `${(100 * loaded) / whole}%`);
  for (const stop of card.querySelectorAll("stop")) {
    stop.setAttribute("offset", (stop.dataset.progress === "played" ? position : loaded) / whole);
  }
  card.querySelector("[data-now]").textContent = clock(position);
  seek.setAttribute("aria-valuetext", `${clock(position)} of ${clock(length())}`);
}

function goTo(position) {
  audio.currentTime = Math.min(Math.max(position, 0), length());
  seek.value = audio.currentTime;
  paint(audio.currentTime);
}

async function start() {
  if (audio.error) await reload();
  audio.play().catch(() => {}); // what went wrong comes as the element's own error
}

// The playback URL may have expired: the login gives another one, and the recording goes on where it was.
async function reload() {
  const position = audio.currentTime;
  const options = { method: "POST", headers: { "X-CSRF-TOKEN": card.dataset.csrf } };
  const answer = await fetch(card.dataset.renew, options).catch(() => null);
  if (answer?.ok) audio.src = (await answer.json()).url;
  audio.load();
  audio.addEventListener("loadedmetadata", () => { audio.currentTime = position; }, { once: true });
}

async function availability() {
  const answer = await fetch(card.dataset.availability).catch(() => null);
  return answer?.ok ? answer.json() : { status: "unknown" };
}

// The element's error does not say what is wrong; the host knows.
async function explain() {
  const { status, type } = await availability();
  if (!audio.error) return; // somebody was quicker, and it plays
  if (status === "missing" && card.dataset.stored === undefined) {
    show("waiting", "Not stored yet. It plays as soon as it is.");
    clearTimeout(waiting);
    waiting = setTimeout(look, PAUSE);
  } else if (status !== "available") {
    show("gone", WHY[status]);
  } else if (audio.canPlayType(type) && !wasTriedAgain) {
    wasTriedAgain = true; // it came while it was asked for, or the connection broke
    start();
  } else {
    show("unplayable", `This browser can't play the recording’s format (${type}). Download it to listen.`);
  }
}

async function look() {
  const { status } = await availability();
  if (status !== "available") {
    waiting = setTimeout(look, PAUSE);
    return;
  }
  document.dispatchEvent(new Event("stored"));
  for (const part of ["waveform", "link"]) await swap(part, location.href);
  start();
}

play.addEventListener("click", () => (audio.paused ? start() : audio.pause()));
again.querySelector("button").addEventListener("click", start);
for (const button of card.querySelectorAll("[data-skip]")) {
  button.addEventListener("click", () => goTo(audio.currentTime + Number(button.dataset.skip)));
}
card.querySelector("[data-speed]").addEventListener("change", (event) => {
  audio.defaultPlaybackRate = audio.playbackRate = Number(event.target.value);
});

seek.addEventListener("input", () => { dragging = true; paint(Number(seek.value)); });
seek.addEventListener("change", () => { dragging = false; goTo(Number(seek.value)); });
seek.addEventListener("keydown", (event) => {
  const steps = { ArrowRight: STEP, ArrowUp: STEP, ArrowLeft: -STEP, ArrowDown: -STEP, PageUp: 60, PageDown: -60 };
  if (event.key in steps) {
    event.preventDefault();
    goTo(audio.currentTime + steps[event.key]);
  } else if (event.key === " ") {
    event.preventDefault();
    play.click();
  }
});

audio.addEventListener("loadedmetadata", () => {
  seek.max = Math.floor(length());
  card.querySelector("[data-length]").textContent = clock(length());
  wasTriedAgain = false;
  paint(audio.currentTime);
  if (audio.paused) show("idle", "Ready to play");
});
audio.addEventListener("timeupdate", () => {
  if (dragging) return;
  seek.value = audio.currentTime;
  paint(audio.currentTime);
});
audio.addEventListener("progress", () => { if (!dragging) paint(audio.currentTime); });
audio.addEventListener("playing", () => show("playing", "Playing"));
audio.addEventListener("waiting", () => { if (!audio.error) show("idle", "Waiting for audio…"); });
audio.addEventListener("ended", () => show("idle", "Played to its end"));
audio.addEventListener("error", explain);
for (const event of ["play", "pause", "error"]) {
  audio.addEventListener(event, () => {
    const isPlaying = !audio.paused && !audio.error;
    play.classList.toggle("is-playing", isPlaying);
    play.setAttribute("aria-label", isPlaying ? "Pause" : "Play");
    if (event === "pause" && !audio.ended && !audio.error) show("idle", `Paused at ${clock(audio.currentTime)}`);
  });
}

// What the live view knows of this player's requests: a resume, and where the audio comes from.
let resumes = null;
document.addEventListener("transfers", ({ detail: transfers }) => {
  const current = transfers.find((transfer) => transfer.state === "playing" && transfer.route === "playback");
  const total = transfers.reduce((sum, transfer) => sum + transfer.resumes, 0);
  if (resumes !== null && total > resumes && !audio.error) {
    const latest = transfers.find((transfer) => transfer.resumes);
    show("resumed", `Resumed from ${latest.source}; nothing was lost`);
  } else if (current?.steps.at(-1).kind === "fail" && !audio.error) {
    show("lost", `${current.source} broke off; looking for another source`);
  } else if (current && !audio.paused && state.dataset.state === "playing") {
    show("playing", `Playing from ${current.source}`);
  }
  resumes = total;
});

paint(0);
audio.controls = false;
card.classList.add("ready");
card.querySelector(".deck").hidden = state.hidden = false;
if (audio.readyState) audio.dispatchEvent(new Event("loadedmetadata"));
if (audio.error) audio.dispatchEvent(new Event("error"));
