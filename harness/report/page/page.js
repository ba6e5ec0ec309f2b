"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Tables: a header sorts, a word filters. What is missing stands last either way.
  const orderOf = (row, column) => {
    const cell = row.cells[column];
    if ("order" in cell.dataset) return cell.dataset.order === "" ? null : Number(cell.dataset.order);
    return cell.textContent === "" ? null : cell.textContent;
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return a.localeCompare(b, undefined, { numeric: true });
  };
  const sort = (table, column) => {
    const heads = [...table.tHead.rows[0].cells];
    const up = heads[column].getAttribute("aria-sort") !== "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", up ? "ascending" : "descending");
    const keyed = [...table.tBodies[0].rows].map((row) => [orderOf(row, column), row]);
    const there = keyed.filter(([key]) => key !== null);
    there.sort((a, b) => (up ? 1 : -1) * compare(a[0], b[0]));
    const missing = keyed.filter(([key]) => key === null);
    table.tBodies[0].append(...[...there, ...missing].map(([, row]) => row));
  };
  for (const box of all(".table")) {
    const table = box.querySelector("table");
    all("thead button", table).forEach((button, i) =>
      button.addEventListener("click", () => sort(table, i)));
    const rows = [...table.tBodies[0].rows];
    const said = box.querySelector("output");
    box.querySelector("input").addEventListener("input", (event) => {
      const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += row.hidden ? 0 : 1;
      }
      said.textContent = words.length ? `${shown} of ${rows.length} rows` : `${rows.length} rows`;
    });
  }

  // Dark and light: as the system has it, until the button says otherwise.
  const remembered = (value) => {
    try {
      if (value) localStorage.setItem("harness-theme", value);
      return localStorage.getItem("harness-theme");
    } catch {
      return null; // a page from a file or in a frame may not be allowed to remember
    }
  };
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const button = document.getElementById("theme");
  const applyTheme = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", isDark() ? "Light colours" : "Dark colours");
    all(".plot.drawn").forEach((box) => Plotly.relayout(box, themed()));
    all(".plot.drawn").forEach(recolour);
  };
  const kept = remembered();
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remembered(root.dataset.theme);
    applyTheme();
  });
  system.addEventListener("change", applyTheme);

  // Plots: their colours of lines are the data's, everything around them is the page's.
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const themed = () => ({
    "font.color": colour("--ink"),
    "xaxis.gridcolor": colour("--line"), "yaxis.gridcolor": colour("--line"),
    "xaxis.linecolor": colour("--quiet"), "yaxis.linecolor": colour("--quiet"),
    "hoverlabel.bgcolor": colour("--card"), "hoverlabel.font.color": colour("--ink"),
    "modebar.color": colour("--quiet"), "modebar.activecolor": colour("--link"),
  });
  const BLACK = "#000000"; // the seventh colour of eight, which no dark page can show
  const recolour = (box) => {
    const black = box.blacks ??= box.data.flatMap((t, i) => (t.marker?.color === BLACK ? [i] : []));
    const ink = isDark() ? colour("--ink") : BLACK;
    if (black.length) Plotly.restyle(box, { "line.color": ink, "marker.color": ink }, black);
  };
  const draw = async (box, spec) => {
    const narrow = box.clientWidth < 600;
    const named = spec.data.filter((trace) => trace.showlegend !== false).length;
    if (narrow && spec.layout.showlegend !== false) {
      box.style.height = `${box.clientHeight + 14 * named}px`; // the legend stands below
    }
    const layout = {
      ...spec.layout, autosize: true, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: { t: 12, r: 8, l: narrow ? 52 : 70, b: 44 }, hovermode: "closest",
      font: { family: "system-ui, sans-serif", size: narrow ? 11 : 13 },
      xaxis: { zeroline: false, ...spec.layout.xaxis },
      yaxis: { zeroline: false, automargin: true, ...spec.layout.yaxis },
      legend: narrow ? { orientation: "h", y: -0.2, yanchor: "top" } : { x: 1.01, y: 1 },
    };
    const config = { displaylogo: false, responsive: true, displayModeBar: narrow ? false : "hover" };
    await Plotly.newPlot(box, spec.data, layout, config);
    await Plotly.relayout(box, themed());
    box.classList.add("drawn");
    recolour(box);
    const axes = box.parentElement.querySelector(".axes");
    axes.hidden = !axes.children.length;
    all("button", axes).forEach((toggle) => toggle.addEventListener("click", () => {
      const log = toggle.getAttribute("aria-pressed") !== "true";
      const name = `${toggle.dataset.axis}axis`;
      toggle.setAttribute("aria-pressed", String(log));
      const { dtick, range } = spec.layout[name];
      const view = range
        ? { [`${name}.range`]: log ? range : range.map((end) => 10 ** end) }
        : { [`${name}.autorange`]: true };
      Plotly.relayout(box, { [`${name}.type`]: log ? "log" : "linear",
        [`${name}.dtick`]: (log && dtick) || null, ...view });
    }));
  };
  const unpacked = async (packed) => {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };
  const drawAll = async () => {
    const packed = document.getElementById("plotly");
    if (!packed) return;
    const script = document.createElement("script");
    script.textContent = await unpacked(packed.textContent);
    document.head.append(script);
    const specs = JSON.parse(document.getElementById("plots").textContent);
    for (const box of all(".plot")) await draw(box, specs[box.dataset.plot]);
    root.dataset.plots = "drawn";
  };
  applyTheme();
  drawAll().catch((error) => {
    for (const box of all(".plot:not(.drawn)")) {
      box.textContent = `This browser cannot draw the plots (${error.message}); the tables have their numbers.`;
    }
    root.dataset.plots = "failed";
  });
})();
