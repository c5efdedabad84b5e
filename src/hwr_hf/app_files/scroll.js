() => {
  // On a phone the answer stands below the fold; a message stands beside the button, in view.
  const text = document.querySelector("#text");
  const hasMessage = document.querySelector("#message .hwr-message") !== null;
  if (window.innerWidth < 640 && !hasMessage && text.querySelector("textarea").value) {
    text.scrollIntoView({ behavior: "smooth", block: "start" });
  }
}
