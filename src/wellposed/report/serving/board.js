// The table stays as it is while somebody chooses; only its numbers are fetched again.
const EVERY_MS = 5000;

async function refresh() {
  if (!document.hidden && document.querySelector("tr[data-going]")) {
    const answer = await fetch("/", { cache: "no-store" }).catch(() => null);
    if (answer && answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const fresh of page.querySelectorAll("tr[data-run]")) {
        const old = document.querySelector(`tr[data-run="${CSS.escape(fresh.dataset.run)}"]`);
        if (!old) return void location.reload();
        const cells = [...fresh.cells].slice(1);
        [...old.cells].slice(1).forEach((cell, i) => {
          if (!cell.querySelector("input")) cell.replaceWith(cells[i]);
        });
        old.toggleAttribute("data-going", fresh.hasAttribute("data-going"));
      }
    }
  }
  setTimeout(refresh, EVERY_MS);
}
setTimeout(refresh, EVERY_MS);
