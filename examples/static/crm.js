// Asks the CRM's server what it got for each of the two URLs.

for (const verdict of document.querySelectorAll("[data-fetch]")) {
  fetch(verdict.dataset.fetch)
    .then((answer) => answer.json())
    .catch(() => ({ plays: false, text: "the CRM itself does not answer" }))
    .then(({ plays, text }) => {
      verdict.dataset.verdict = plays ? "plays" : "breaks";
      verdict.textContent = plays ? `Plays: ${text}` : `Does not play: ${text}`;
    });
}
