//! Completions, man pages and the reference of the command line.

use std::process::Command;

use crate::support::prism;

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = prism().args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn bash_completes_commands_options_and_values() {
    let complete = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let (last, before) = words.split_last().unwrap();
        let script = format!(
            "source <(\"$PRISM\" completions bash)\nCOMP_WORDS=({} {last:?})\nCOMP_CWORD={}\n\
             _prism prism {last:?} {:?}\nprintf '%s ' \"${{COMPREPLY[@]}}\"",
            before.join(" "),
            before.len(),
            before.last().unwrap(),
        );
        let mut command = Command::new("bash");
        command.args(["--norc", "-c", &script]).env("PRISM", env!("CARGO_BIN_EXE_prism"));
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{line}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    assert_eq!(complete("prism ge"), "get");
    assert_eq!(complete("prism scan --id-p"), "--id-prefix");
    assert_eq!(complete("prism put --prio"), "--priority-token");
    assert_eq!(complete("prism get --color "), "auto always never");
    assert_eq!(complete("prism kv l"), "ls");
    assert_eq!(complete("prism ref"), "", "a hidden command is offered");
    assert_eq!(complete("prism get --bearer"), "", "a hidden option is offered");
}

/// The names at the start of the lines of a help text: commands, or long options without their dashes.
fn names_in_help(args: &[&str]) -> (Vec<String>, Vec<String>) {
    let (code, help, _) = run(&[args, &["--help"]].concat());
    assert_eq!(code, Some(0));
    let name =
        |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap().to_owned();
    let section = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    let commands = section.lines().take_while(|line| !line.is_empty());
    let commands =
        commands.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' ')).map(name);
    let options = help.lines().filter_map(|line| {
        let line = line.trim_start();
        let long =
            line.strip_prefix('-').and_then(|rest| rest.split_once(", ")).map_or(line, |(_, long)| long);
        long.strip_prefix("--").map(name)
    });
    (commands.collect(), options.collect())
}

#[test]
fn every_shell_gets_a_script_with_every_command_and_option_that_is_not_hidden() {
    let (commands, mut names) = names_in_help(&[]);
    for command in commands.iter().filter(|command| *command != "help") {
        names.extend(names_in_help(&[command]).1);
    }
    names.extend(commands);
    assert!(names.len() > 80, "{names:?}");
    for known in ["check-config", "completions", "id-prefix", "priority-token"] {
        assert!(names.iter().any(|name| name == known), "{known} is not in the help");
    }
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (code, script, _) = run(&["completions", shell]);
        assert_eq!(code, Some(0));
        for name in &names {
            assert!(script.contains(name), "{shell} does not complete {name}");
        }
        for hidden in ["bearer-token", "Print the reference of all commands", "prism__reference"] {
            assert!(!script.contains(hidden), "{shell} completes {hidden}");
        }
    }
}

#[test]
fn man_pages_of_all_commands_are_written_into_a_new_folder() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("share/man1");
    let (code, stdout, stderr) = run(&["man", pages.to_str().unwrap()]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", ""));
    for command in ["prism", "prism-get", "prism-ls", "prism-serve", "prism-kv-get", "prism-completions"] {
        let page = std::fs::read_to_string(pages.join(format!("{command}.1"))).unwrap();
        assert!(page.contains(&format!(".TH {command} 1")), "{page}");
        assert!(!page.contains('\u{1b}'), "{command} has escape sequences");
    }
    let page = std::fs::read_to_string(pages.join("prism.1")).unwrap();
    assert!(page.contains(".SH \"EXIT CODES\"\n.nf\n0  success\n"), "{page}");
    assert!(!pages.join("prism-reference.1").exists(), "a hidden command has a page");

    std::fs::write(folder.path().join("file"), "").unwrap();
    let (code, _, stderr) = run(&["man", folder.path().join("file").to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("prism: cannot write man pages to "), "{stderr}");
}

#[test]
fn the_page_of_the_command_line_is_up_to_date() {
    // As xtask does.
    let marks = [
        "--background",
        "serve",
        "--skip",
        "verify=audit.md runs it, with a log to verify",
        "--skip",
        "status=another machine's address is in it; operating.md runs it",
        "--skip",
        "backup=backup.md runs it, with a database to copy",
        "--skip",
        "check=backup.md runs it, with a database to check",
        "--skip",
        "gc=backup.md runs it, with a database to sweep",
        "--skip",
        "rekey=encryption.md runs it, with keys and a namespace",
        "--skip",
        "show=its namespace is created below",
        "--skip",
        "watch=its second command does not end",
        "--skip",
        "tail=its commands do not end",
    ];
    let (_, reference, _) = run(&[&["reference"][..], &marks].concat());
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md")).unwrap();
    assert!(page.contains(reference.trim()), "docs/cli.md differs from the help; run `cargo xtask docs`");
}
