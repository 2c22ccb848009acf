//! Output on a terminal: colour, width, progress, and values that would command it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::support::{Backend, Prism};

/// A terminal of a number of columns: its own side, and that of a program.
fn terminal(columns: u16) -> (File, OwnedFd) {
    let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&control).unwrap();
    unlockpt(&control).unwrap();
    let name = ptsname(&control, Vec::new()).unwrap();
    let program =
        rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&program, size).unwrap();
    (control.into(), program)
}

/// The streams that are a terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    Stdout,
    Stderr,
    Both,
}

/// Runs a command on a terminal; returns what the terminal got.
fn shown(mut command: Command, columns: u16, on: On) -> (i32, String) {
    let (mut control, program) = terminal(columns);
    command.env("TERM", "xterm-256color").env_remove("CI");
    if on != On::Stderr {
        command.stdout(program.try_clone().unwrap());
    }
    if on != On::Stdout {
        command.stderr(program.try_clone().unwrap());
    }
    let mut child = command.spawn().unwrap();
    // The last ends of the program's side are its own.
    drop((command, program));
    // A full pipe would block the program.
    if let Some(mut rest) = child.stdout.take() {
        thread::spawn(move || io::copy(&mut rest, &mut io::sink()));
    }
    let mut text = Vec::new();
    // Linux ends the output with an error once the program has closed its side.
    let _ = control.read_to_end(&mut text);
    let code = child.wait().unwrap().code().expect("ended by a signal");
    (code, String::from_utf8(text).unwrap().replace("\r\n", "\n"))
}

/// Whether a progress bar was drawn: a rate or the time left is only in a bar, not in the final note.
fn has_bar(text: &str) -> bool {
    text.contains("B/s") || text.contains("s left")
}

fn on_terminal(prism: &Prism, columns: u16, args: &[&str]) -> String {
    let (code, text) = shown(prism.command(args), columns, On::Stdout);
    assert_eq!(code, 0, "{args:?}: {text}");
    text
}

/// The text without the sequences that set colours.
fn without_color(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(after.len());
        // Kept where it is no colour, for the test to find.
        rest = if let Some(rest) = after[end..].strip_prefix('m') {
            rest
        } else {
            plain.push('\u{1b}');
            after
        };
    }
    plain + rest
}

#[test]
fn colour_is_for_terminals_unless_told_otherwise() {
    let prism = Prism::serve(Backend::Memory);
    prism.ok(&["put", "n", "r", "k=v"]);
    let on_terminal = |variable: Option<(&str, &str)>, args: &[&str]| {
        let mut command = prism.command(&[&["get", "n", "r"], args].concat());
        command.envs(variable);
        shown(command, 80, On::Stdout).1.contains('\u{1b}')
    };
    assert!(on_terminal(None, &[]), "a terminal gets no colour");
    assert!(!on_terminal(None, &["--color", "never"]));
    assert!(!on_terminal(Some(("NO_COLOR", "1")), &[]));
    assert!(!on_terminal(Some(("CLICOLOR", "0")), &[]));
    assert!(
        on_terminal(Some(("NO_COLOR", "1")), &["--color", "always"]),
        "the option is weaker than NO_COLOR"
    );
    assert!(!on_terminal(None, &["--json"]), "JSON is coloured");

    let piped = |variable: Option<(&str, &str)>, args: &[&str]| {
        let output = prism.command(&[&["get", "n", "r"], args].concat()).envs(variable).output().unwrap();
        String::from_utf8(output.stdout).unwrap().contains('\u{1b}')
    };
    assert!(!piped(None, &[]), "a pipe gets colour");
    assert!(piped(None, &["--color", "always"]));
    assert!(piped(Some(("CLICOLOR_FORCE", "1")), &[]));
    assert!(!piped(Some(("CLICOLOR_FORCE", "1")), &["--color=never"]));

    let error = |args: &[&str]| shown(prism.command(args), 80, On::Stderr);
    assert_eq!(
        error(&["get", "n", "absent"]).1,
        "\u{1b}[1m\u{1b}[31mprism:\u{1b}[0m the record 'absent' has no items\n"
    );
    assert!(error(&["get"]).1.contains('\u{1b}'));
    assert!(!error(&["get", "--color", "never"]).1.contains('\u{1b}'), "an error of usage is coloured");
}

#[test]
fn long_values_are_shortened_to_the_width_and_ids_stay_whole() {
    let prism = Prism::serve(Backend::Memory);
    let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
    prism.ok(&["put", "n", id, &format!("text={}", "lorem ipsum ".repeat(100))]);
    for columns in [20, 40, 80, 200] {
        let text = without_color(&on_terminal(&prism, columns, &["scan", "n"]));
        assert!(text.lines().any(|line| line.starts_with(id)), "{columns}: {text}");
        let value = text.lines().find(|line| line.contains("lorem")).unwrap();
        assert!(value.chars().count() <= usize::from(columns), "{columns}: {text}");
        assert_eq!(value.contains("more bytes"), columns > 20, "{columns}: {text}");
        let full = without_color(&on_terminal(&prism, columns, &["scan", "n", "--full"]));
        assert!(full.contains(&"lorem ipsum ".repeat(100)), "{columns}: {full}");
    }
    assert!(prism.ok(&["scan", "n"]).contains(&"lorem ipsum ".repeat(100)), "a pipe gets a shortened value");
    // A terminal that does not know its width.
    let unknown = without_color(&on_terminal(&prism, 0, &["get", "n", id]));
    assert!(unknown.lines().all(|line| line.chars().count() <= 80), "{unknown}");
}

#[test]
fn a_terminal_gets_no_character_that_would_command_it() {
    let prism = Prism::serve(Backend::Memory);
    let value = "k\\x1b=\\x1b[2Jesc \\xc2\\x9b1mcsi \\xe2\\x80\\xae rtl \\x07\\x7f\\r end";
    prism.ok(&["put", "n", "r", "--escaped", value]);
    prism.ok(&["put", "n", "id\u{1b}]0;title\u{7}\u{9b}", "k=v"]);
    let commands: [&[&str]; 8] = [
        &["get", "n", "r"],
        &["get", "n", "r", "--full"],
        &["get", "n", "r", "--json"],
        &["scan", "n"],
        &["scan", "n", "--json"],
        &["export", "n"],
        &["ls", "n"],
        &["ls", "n", "r", "--json"],
    ];
    for args in commands {
        let text = without_color(&on_terminal(&prism, 200, args));
        let commands = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(commands), "{args:?}: {text:?}");
    }
    let raw = ["get", "n", "r", "--escaped", "k\\x1b", "--raw"];
    let (code, text) = shown(prism.command(&raw), 80, On::Both);
    assert_eq!(code, 1);
    assert!(text.ends_with("redirect the output, or leave out --raw\n"), "{text:?}");
    assert!(prism.command(&raw).output().unwrap().stdout.starts_with(b"\x1b[2J"), "a pipe gets no raw value");
    let (_, error) = shown(prism.command(&["get", "n", "absent\u{1b}[2J\u{9b}1m"]), 80, On::Stderr);
    assert!(!without_color(&error).contains(|c: char| c.is_control() && c != '\n'), "{error:?}");
    let (code, error) =
        shown(prism.command(&["put", "n", "r", "no-value\u{9b}1m\u{202e}", "--json"]), 80, On::Stderr);
    assert!(!error.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{error:?}");
    let message = &crate::support::json_lines(&error)[0]["error"]["message"];
    assert!(
        code == 2 && message.as_str().unwrap().starts_with("'no-value\u{9b}1m\u{202e}' is not"),
        "{error:?}"
    );
    // Plain text is printed as it is, in any script.
    let plain = "a\tb\nc हिन्दी e\u{301} ❤\u{fe0f}";
    prism.ok(&["put", "n", "plain", &format!("k={plain}")]);
    assert_eq!(on_terminal(&prism, 80, &["get", "n", "plain", "k", "--raw"]).replace('\r', ""), plain);
}

#[test]
fn progress_is_shown_on_a_terminal_only() {
    let prism = Prism::serve(Backend::Memory);
    std::fs::write(prism.path("in"), crate::support::records(2_000)).unwrap();
    let to_file = |args: &[&str]| {
        let mut command = prism.command(args);
        command.stdout(File::create(prism.path("redirected")).unwrap());
        command
    };
    let commands: [&[&str]; 4] = [
        &["import", "n", "in"],
        &["export", "n", "out"],
        &["scan", "n"],
        &["ls", "n", "--id-prefix", "r001"],
    ];
    for args in commands {
        let (code, text) = shown(to_file(args), 120, On::Stderr);
        assert_eq!(code, 0, "{args:?}: {text}");
        assert!(has_bar(&text), "{args:?}: {text:?}");
        let ran = to_file(args).output().unwrap();
        assert!(!has_bar(&String::from_utf8(ran.stderr).unwrap()), "{args:?} without a terminal");
    }
    // A pager that reads the results draws on the same terminal.
    let (_, text) = shown(prism.command(&["scan", "n"]), 120, On::Stderr);
    assert_eq!(text, "");
    let (_, text) = shown(prism.command(&["export", "n"]), 120, On::Stderr);
    assert!(text.starts_with("exported 2,000 records, "), "{text:?}");
    let (_, text) = shown(prism.command(&["export", "n"]), 120, On::Both);
    assert!(!has_bar(&text), "a bar stands between the lines of an export");
    let (code, text) = shown(to_file(&["export", "n"]), 120, On::Stderr);
    assert!(code == 0 && has_bar(&text), "redirected to a file: {text:?}");
}

#[test]
fn an_export_to_the_device_of_a_terminal_does_not_command_it() {
    let prism = Prism::serve(Backend::Memory);
    prism.ok(&["put", "n", "r", "k=\u{9b}1m\u{202e}"]);
    let (mut control, program) = terminal(80);
    let device = ptsname(&control, Vec::new()).unwrap();
    prism.ok(&["export", "n", device.to_str().unwrap()]);
    drop(program);
    let mut text = Vec::new();
    // Linux ends the output with an error once the program has closed its side.
    let _ = control.read_to_end(&mut text);
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text, "{\"id\":\"r\",\"items\":[{\"key\":\"k\",\"value\":\"\\u009b1m\\u202e\"}]}\r\n");
}
