// One sound at a time. Within an example the next sound goes on where the last one was, so that
// the ear compares the same moment; a line on each spectrogram shows the place.
const players = [...document.querySelectorAll("audio")];
const group = (player) => player.closest("article");

function show(player) {
  const share = player.duration ? player.currentTime / player.duration : 0;
  const figure = player.closest("figure");
  figure.style.setProperty("--place", share);
  figure.style.setProperty("--seen", 1);
}

for (const player of players) {
  player.addEventListener("play", () => {
    for (const other of players) {
      if (other === player || other.paused) continue;
      if (group(other) === group(player)) player.currentTime = other.currentTime;
      other.pause();
    }
    const follow = () => {
      show(player);
      if (!player.paused) requestAnimationFrame(follow);
    };
    follow();
  });
  player.addEventListener("seeked", () => show(player));
  const picture = player.closest("figure").querySelector(".picture");
  picture?.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    player.currentTime = ((event.clientX - box.left) / box.width) * player.duration;
  });
}
