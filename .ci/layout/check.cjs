// Opens every page of the built book in Chromium: nothing wider than the window, no text cut off, and a search that finds rules
// and options. Saves pictures of some pages.
//
//     node check.cjs BOOK PICTURES      folders; CHROMIUM may name the browser

const { createServer } = require("node:http");
const { mkdirSync, readFileSync, readdirSync, statSync } = require("node:fs");
const path = require("node:path");
const { chromium } = require("playwright-core");

const [book, pictures] = process.argv.slice(2);
const WIDTHS = [500, 1200];
const THEMES = ["light", "navy", "coal"];
const PICTURED = ["index", "getting-started", "conformance-matrix", "benchmarks", "contract", "clients/python", "tasks"];
// What is searched for, and a section that must be among the first results.
const SEARCHES = [
  ["PUT-1", /conformance-matrix\.html.*#put-1$/],
  ["TOK-3", /conformance-matrix\.html.*#tok-3$/],
  ["--known-failing", /conformance-cli\.html.*#known-failures$/],
  ["item_priority_token", /api-reference\.html.*#keyvalueservice$/],
  ["max_connections", /configuration\.html.*#databasepostgres$/],
];
const NOT_PAGES = new Set(["print.html", "404.html", "toc.html"]);

/** The pages below a folder, as paths relative to the book. */
function pages(folder) {
  return readdirSync(folder).flatMap((name) => {
    const file = path.join(folder, name);
    if (statSync(file).isDirectory()) return pages(file);
    return name.endsWith(".html") && !NOT_PAGES.has(name) ? [path.relative(book, file)] : [];
  });
}

/** Serves the book on a free port: a browser keeps themes per origin, and loads the search index by HTTP only. */
function serve() {
  const types = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml" };
  const server = createServer((request, response) => {
    const name = path.join(book, path.normalize(decodeURIComponent(new URL(request.url, "http://book").pathname)));
    try {
      const content = readFileSync(name);
      response.writeHead(200, { "content-type": types[path.extname(name)] ?? "application/octet-stream" });
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

/** Faults of the page in view, each with the text of the element. Runs in the browser. */
function faults() {
  const found = [];
  const name = (element) => `<${element.localName}> ${element.textContent.trim().slice(0, 60).replace(/\s+/g, " ")}`;
  const scrolls = (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) found.push(`the page is ${root.scrollWidth} px wide, the window ${root.clientWidth}`);
  for (const element of document.querySelectorAll("main *, .menu-title")) {
    if (element.closest("svg, .hidden")) continue;
    const style = getComputedStyle(element);
    const hides = ["hidden", "clip"].includes(style.overflowX);
    if (hides && element.scrollWidth > element.clientWidth + 1 && element.textContent.trim()) {
      found.push(`cut off: ${name(element)}`);
    }
    const { right, width } = element.getBoundingClientRect();
    let ancestor = element.parentElement;
    while (ancestor && !scrolls(ancestor)) ancestor = ancestor.parentElement;
    if (width > 0 && right > root.clientWidth + 1 && !(ancestor && ancestor.closest("main"))) {
      found.push(`beyond the window: ${name(element)}`);
    }
  }
  return found.slice(0, 5);
}

async function search(page, url, [words, expected]) {
  await page.goto(`${url}/index.html?search=${encodeURIComponent(words)}`);
  try {
    await page.waitForSelector("#mdbook-searchresults li a, #searchresults li a", { timeout: 20_000 });
  } catch {
    return [`a search for '${words}' finds nothing`];
  }
  const links = await page.$$eval("#mdbook-searchresults li a, #searchresults li a", (all) =>
    all.slice(0, 5).map((link) => link.getAttribute("href")));
  return links.some((link) => expected.test(link)) ? [] : [`a search for '${words}' finds ${links.join(", ")} first, not ${expected}`];
}

async function main() {
  const server = await serve();
  const url = `http://127.0.0.1:${server.address().port}`;
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
  const browser = await chromium.launch({ executablePath, args });
  const all = pages(book);
  const failures = [];
  mkdirSync(pictures, { recursive: true });
  for (const width of WIDTHS) {
    for (const theme of THEMES) {
      const context = await browser.newContext({ viewport: { width, height: 1000 } });
      await context.addInitScript((name) => localStorage.setItem("mdbook-theme", name), theme);
      const page = await context.newPage();
      for (const name of all) {
        const pictured = PICTURED.includes(name.replace(/\.html$/, ""));
        // A theme changes colours only: the layout is checked in one.
        if (theme !== THEMES[0] && !pictured) continue;
        await page.goto(`${url}/${name}`);
        failures.push(...(await page.evaluate(faults)).map((fault) => `${name} at ${width} px: ${fault}`));
        const file = `${name.replace(/\.html$/, "").replaceAll("/", "-")}-${width}-${theme}.png`;
        if (pictured) await page.screenshot({ path: path.join(pictures, file) });
      }
      if (width === WIDTHS[1] && theme === THEMES[0]) {
        for (const one of SEARCHES) failures.push(...(await search(page, url, one)));
      }
      await context.close();
    }
  }
  await browser.close();
  server.close();
  console.log(`${all.length} pages at ${WIDTHS.join(" and ")} px, ${SEARCHES.length} searches, ${failures.length} faults; pictures in ${pictures}`);
  for (const failure of failures) console.error(`FAILED ${failure}`);
  process.exit(failures.length || !all.length ? 1 : 0);
}

main();
