//! Commands that print what is made from the command line itself: completions, man pages, the reference.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Command, Subcommand};
use clap_complete::Shell;

use crate::after::examples;
use crate::{man, reference};

/// The commands that describe their program to shells, to man, and to the documentation.
#[derive(Debug, Clone, Subcommand)]
pub enum Generate {
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write a man page of each command
    Man {
        /// The folder to write into, such as ~/.local/share/man/man1; made if it does not exist
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Print the reference of all commands as Markdown
    #[command(hide = true)]
    Reference {
        /// A command whose example keeps running, such as a server; may be repeated
        #[arg(long, value_name = "COMMAND")]
        background: Vec<String>,
        /// A command whose example is not run, and the reason; may be repeated
        #[arg(long, value_name = "COMMAND=REASON", value_parser = skipped)]
        skip: Vec<(String, String)>,
    },
}

/// Adds examples to the commands of [`Generate`], with the name of their program.
pub fn with_examples(command: Command) -> Command {
    let name = command.get_name().to_owned();
    let folder = "~/.local/share/bash-completion/completions";
    let bash = format!("mkdir -p {folder}\n{name} completions bash > {folder}/{name}");
    let man = format!("{name} man ~/.local/share/man/man1");
    command
        .mut_subcommand("completions", |command| {
            command.after_help(examples(&[("For bash, from the next shell on", &bash)]))
        })
        .mut_subcommand("man", |command| {
            command.after_help(examples(&[("The manual of this program, for this user", &man)]))
        })
}

impl Generate {
    /// Runs the command for the program `command`. The error is a message for people.
    pub fn run(&self, command: Command) -> Result<(), String> {
        match self {
            Self::Completions { shell } => print(&completions(*shell, &command)),
            Self::Man { folder } => man_pages(folder, command),
            Self::Reference { background, skip } => {
                print(reference::markdown(command, background, skip).as_bytes())
            }
        }
    }
}

fn skipped(text: &str) -> Result<(String, String), String> {
    let (command, reason) = text.split_once('=').ok_or_else(|| "has no '=' before the reason".to_owned())?;
    Ok((command.to_owned(), reason.to_owned()))
}

/// Made in memory first: clap_complete panics where its output cannot be written.
fn completions(shell: Shell, command: &Command) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut visible(command), command.get_name(), &mut script);
    script
}

/// The parts of a command that its help shows, as far as completions need them: clap_complete would offer the rest too, and
/// clap can add to a command but not remove.
fn visible(command: &Command) -> Command {
    let args: Vec<_> = command.get_arguments().filter(|arg| !arg.is_hide_set()).cloned().collect();
    // The other arguments may refer to a group.
    let groups = command.get_groups().map(|group| {
        let members = group.get_args().filter(|member| args.iter().any(|arg| arg.get_id() == *member));
        ArgGroup::new(group.get_id().clone()).args(members.cloned()).multiple(true)
    });
    let groups: Vec<_> = groups.collect();
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set()).map(visible);
    let mut shown =
        Command::new(command.get_name().to_owned()).subcommands(commands).args(args).groups(groups);
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_owned());
    }
    shown.propagate_version(command.is_propagate_version_set())
}

fn man_pages(folder: &Path, command: Command) -> Result<(), String> {
    let failed =
        |path: &Path, error: io::Error| format!("cannot write man pages to {}: {error}", path.display());
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for (name, page) in man::pages(command).map_err(|error| failed(folder, error))? {
        let path = folder.join(name);
        fs::write(&path, page).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// Writes to standard output. A reader that closed it has what it wanted.
fn print(text: &[u8]) -> Result<(), String> {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("standard output cannot be written: {error}"))
        }
        _ => Ok(()),
    }
}
