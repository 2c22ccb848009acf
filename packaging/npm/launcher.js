#!/usr/bin/env node
// Starts the program in the package of this machine's platform, which npm installs as an optional dependency.
"use strict";

const { spawn } = require("node:child_process");
const fs = require("node:fs");
const { constants } = require("node:os");
const manifest = require("../package.json");

const program = Object.keys(manifest.bin)[0];
const platform = `${process.platform}-${process.arch}`;
const dependency = `${manifest.name}-${platform}`;
// The exit code of a shell for a command that cannot be executed; the programs use the low ones.
const CANNOT_EXECUTE = 126;

function fail(message) {
  process.stderr.write(`${program}: ${message}\n`);
  process.exit(CANNOT_EXECUTE);
}

function locate() {
  const platforms = Object.keys(manifest.optionalDependencies).map((name) => name.slice(manifest.name.length + 1));
  if (!platforms.includes(platform)) {
    fail(`there is no binary for ${platform}; there is one for ${platforms.join(", ")}`);
  }
  try {
    return require.resolve(`${dependency}/bin/${program}`);
  } catch {
    return fail(
      `the package ${dependency} with the binary is not installed. npm leaves it out with --omit=optional, and on Linux ` +
        `without glibc. Install it with: npm install ${dependency}@${manifest.version}`,
    );
  }
}

// A terminal sends Ctrl-C and its hangup to the program as well, for which a second signal would mean an immediate end.
// A supervisor that signals all processes of a group does the same: it has to signal the launcher alone (systemd:
// KillMode=mixed).
function hasTerminal() {
  try {
    fs.closeSync(fs.openSync("/dev/tty"));
    return true;
  } catch {
    return false;
  }
}

// Handled before the program starts: a signal in between would end the launcher alone.
const forwarded = ["SIGINT", "SIGTERM", "SIGHUP"];
for (const signal of forwarded) {
  process.on(signal, () => {
    if (signal === "SIGTERM" || !hasTerminal()) {
      child.kill(signal);
    }
  });
}

const child = spawn(locate(), process.argv.slice(2), { stdio: "inherit" });
child.on("error", (error) => fail(`cannot be started: ${error.message}`));

child.on("exit", (code, signal) => {
  if (signal === null) {
    process.exit(code);
  }
  // Ends in the same way as the program, as far as a signal that was not caught allows.
  forwarded.forEach((name) => process.removeAllListeners(name));
  process.exitCode = 128 + constants.signals[signal];
  process.kill(process.pid, signal);
});
