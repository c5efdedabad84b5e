() => {
  // On a phone the answer stands below the fold; a message stands beside the button.
  const text = document.querySelector("#text");
  if (window.innerWidth < 640 && text.querySelector("textarea").value) {
    text.scrollIntoView({ behavior: "smooth", block: "start" });
  }
}
