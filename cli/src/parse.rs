//! Parsing with the colour that the command line asks for.

use std::ffi::OsString;

use clap::{Command, Parser};
use colorchoice_clap::{Color, ColorChoice};

/// Parses the command line of the process; prints help, version and errors, and exits, as [`Parser::parse`] does.
///
/// `--color` becomes the choice of the whole process first: clap prints help and errors before it knows the value of an
/// option. `adapt` changes the command before it parses.
pub fn parse<P: Parser>(adapt: impl FnOnce(Command) -> Command) -> P {
    Color { color: color(std::env::args_os().skip(1)) }.write_global();
    let matches = adapt(P::command()).get_matches();
    P::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// The last value of `--color` among `arguments`, up to `--`; [`ColorChoice::Auto`] if there is none.
fn color(arguments: impl IntoIterator<Item = OsString>) -> ColorChoice {
    let mut choice = ColorChoice::Auto;
    let mut is_value = false;
    for argument in arguments {
        let Some(argument) = argument.to_str() else { continue };
        if argument == "--" {
            break;
        }
        let value = if is_value { Some(argument) } else { argument.strip_prefix("--color=") };
        is_value = !is_value && argument == "--color";
        match value {
            Some("always") => choice = ColorChoice::Always,
            Some("never") => choice = ColorChoice::Never,
            Some("auto") => choice = ColorChoice::Auto,
            Some(_) | None => {}
        }
    }
    choice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_colour_counts_in_both_spellings() {
        let color = |words: &str| color(words.split(' ').map(OsString::from));
        assert_eq!(color("get --help"), ColorChoice::Auto);
        assert_eq!(color("get --color never --help"), ColorChoice::Never);
        assert_eq!(color("--color=never get --color=always"), ColorChoice::Always);
        assert_eq!(color("--color never --color auto"), ColorChoice::Auto);
        assert_eq!(color("put -- --color=never"), ColorChoice::Auto);
        assert_eq!(color("put never --color"), ColorChoice::Auto);
    }
}
