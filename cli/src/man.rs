//! Man pages: clap_mangen's, but for the text after the options, whose sections and examples keep their lines here.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::after::{Paragraph, paragraphs};

/// The page of the program and of each visible command below it: file name and content.
pub(crate) fn pages(command: Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    // `prism help put` is `prism put --help`, and needs no page.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(&command, &mut pages)?;
    Ok(pages)
}

fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    pages.push((Man::new(command.clone()).get_filename(), page(command)?));
    let mut visible = command.get_subcommands().filter(|command| !command.is_hide_set());
    visible.try_for_each(|command| collect(command, pages))
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let without = command.clone().after_help(None::<&str>).after_long_help(None::<&str>);
    Man::new(without).render(&mut page)?;
    if let Some(after) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        after_options(&after.to_string()).to_writer(&mut page)?;
    }
    Ok(page)
}

fn after_options(text: &str) -> Roff {
    let mut roff = Roff::new();
    for paragraph in paragraphs(text) {
        match paragraph {
            Paragraph::Section { heading, lines } => {
                roff.control("SH", [heading.to_uppercase().as_str()]);
                verbatim(&mut roff, &lines);
            }
            Paragraph::Prose(lines) => {
                roff.control("PP", []);
                roff.text([roman(lines.join(" "))]);
            }
            Paragraph::Verbatim(lines) => {
                roff.control("PP", []);
                verbatim(&mut roff, &lines);
            }
        }
    }
    roff
}

fn verbatim(roff: &mut Roff, lines: &[&str]) {
    roff.control("nf", []);
    for line in lines {
        roff.text([roman(*line)]);
    }
    roff.control("fi", []);
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;
    use crate::after_help;

    #[test]
    fn each_visible_command_has_a_page_and_examples_keep_their_lines() {
        let command = Command::new("prog")
            .subcommand(
                Command::new("get")
                    .arg(Arg::new("id").help("The id"))
                    .after_help(after_help("Prose.\n\nExamples:\n  # One\n  prog get 1")),
            )
            .subcommand(Command::new("hidden").hide(true));
        let pages = pages(command).unwrap();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["prog.1", "prog-get.1"]);
        let page = String::from_utf8(pages[1].1.clone()).unwrap();
        assert!(page.contains(".PP\nProse.\n"), "{page}");
        assert!(page.contains(".SH EXAMPLES\n.nf\n# One\nprog get 1\n.fi\n"), "{page}");
        assert!(page.contains("The id"), "{page}");
    }
}
