// Tests of launcher.js, with a shell script in place of the binary: node --test packaging/npm
"use strict";

const assert = require("node:assert");
const { spawn, spawnSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { after, test } = require("node:test");

const HERE = `${process.platform}-${process.arch}`;
const folders = [];
after(() => folders.forEach((folder) => fs.rmSync(folder, { recursive: true })));

// An installed package that has binaries for `platforms`; the one of this machine is `script`, or missing.
function installed({ platforms = [HERE], script }) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "prism-npm-"));
  folders.push(folder);
  const main = path.join(folder, "node_modules/example");
  fs.mkdirSync(path.join(main, "bin"), { recursive: true });
  fs.copyFileSync(path.join(__dirname, "launcher.js"), path.join(main, "bin/launcher.js"));
  const optionalDependencies = Object.fromEntries(platforms.map((name) => [`example-${name}`, "1.2.3"]));
  const manifest = { name: "example", version: "1.2.3", bin: { prog: "bin/launcher.js" }, optionalDependencies };
  fs.writeFileSync(path.join(main, "package.json"), JSON.stringify(manifest));
  if (script !== undefined) {
    const binary = path.join(folder, `node_modules/example-${HERE}/bin/prog`);
    fs.mkdirSync(path.dirname(binary), { recursive: true });
    fs.writeFileSync(path.join(path.dirname(binary), "../package.json"), "{}");
    fs.writeFileSync(binary, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return path.join(main, "bin/launcher.js");
}

function run(launcher, ...args) {
  return spawnSync(process.execPath, [launcher, ...args], { encoding: "utf8", input: "input" });
}

test("arguments, input, output and exit code are those of the program", () => {
  const launcher = installed({ script: 'cat; echo "|$1|$2|"; echo error >&2; exit 3' });
  const { status, stdout, stderr } = run(launcher, "a b", "*");
  assert.deepStrictEqual({ status, stdout, stderr }, { status: 3, stdout: "input|a b|*|\n", stderr: "error\n" });
});

test("a platform without a binary is named, and those with one", () => {
  const { status, stderr } = run(installed({ platforms: ["plan9-x64", "haiku-arm64"] }));
  assert.strictEqual(status, 126);
  assert.strictEqual(stderr, `prog: there is no binary for ${HERE}; there is one for plan9-x64, haiku-arm64\n`);
});

test("a platform package that was left out is named, with the command that installs it", () => {
  const { status, stderr } = run(installed({}));
  assert.strictEqual(status, 126);
  assert.match(stderr, new RegExp(`^prog: the package example-${HERE} with the binary is not installed.*`));
  assert.match(stderr, new RegExp(`npm install example-${HERE}@1.2.3\n$`));
});

test("a program that a signal ends, ends the launcher by the same signal", () => {
  const { signal } = run(installed({ script: "kill -KILL $$" }));
  assert.strictEqual(signal, "SIGKILL");
});

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) {
  test(`${signal} reaches the program, whose exit code counts`, { timeout: 20_000 }, async () => {
    const script = `trap 'echo cleaned; exit 7' ${signal.slice(3)}; echo ready; while :; do sleep 0.05; done`;
    // In a session without a terminal, even if the tests have one.
    const options = { stdio: ["ignore", "pipe", "inherit"], detached: true };
    const launcher = spawn(process.execPath, [installed({ script })], options);
    let output = "";
    launcher.stdout.setEncoding("utf8").on("data", (text) => {
      if (!output && (output += text).includes("ready")) {
        launcher.kill(signal);
      } else {
        output += text;
      }
    });
    const code = await new Promise((resolve) => launcher.on("close", resolve));
    assert.deepStrictEqual({ code, output }, { code: 7, output: "ready\ncleaned\n" });
  });
}

test("Ctrl-C on a terminal is not forwarded, since the terminal signals the program, too", { timeout: 20_000 }, async () => {
  // In another process group, so that SIGINT could come from the launcher only.
  const counted = `trap "echo forwarded" INT; trap "exit 7" TERM; echo "ready $PPID"; while :; do sleep 0.05; done`;
  const script = `exec perl -e 'setpgrp(0, 0); exec @ARGV' sh -c '${counted}'`;
  // script runs the command in the user's shell. Replaced by the launcher, no shell is left that Ctrl-C could end.
  const command = `exec '${process.execPath}' '${installed({ script })}' </dev/null`;
  const env = { ...process.env, SHELL: "/bin/sh" };
  const terminal = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], { env });
  let output = "";
  let sent = 0;
  terminal.stdout.setEncoding("utf8").on("data", (text) => {
    output += text;
    const launcher = /ready (\d+)/.exec(output);
    if (sent === 0 && launcher) {
      terminal.stdin.write("\x03");
      sent = 1;
    } else if (sent === 1 && output.includes("^C")) {
      // The terminal has echoed the key, so its signal was sent before this one.
      process.kill(Number(launcher[1]), "SIGTERM");
      sent = 2;
    }
  });
  const code = await new Promise((resolve) => terminal.on("close", resolve));
  assert.strictEqual(code, 7, output);
  assert.doesNotMatch(output, /forwarded/);
});
