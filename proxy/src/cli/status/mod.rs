//! `prism status`: what a gateway serves and how busy it is, from the metrics of its admin endpoint.

mod scrape;
mod view;

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use clap::builder::StyledStr;
use http::Uri;
use prism_cli::{after_help, examples};

use self::scrape::{Between, Scrape};
use self::view::Status;
use crate::client::interrupted;
use crate::config::AdminListen;
use crate::exit::ExitError;
use crate::terminal::Screen;

/// Clears a terminal, and moves to its first line.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// The arguments of `prism status`.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub struct StatusArgs {
    /// The admin endpoint of the gateway (admin.listen): host:port, or a URL
    #[arg(long, value_name = "ADDRESS", default_value = AdminListen::DEFAULT, value_parser = address)]
    admin: Uri,
    /// Show it again every interval, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// The time over which rates are measured, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    interval: u64,
    /// Print JSON, with --watch a line each time
    #[arg(long)]
    json: bool,
}

const NOTE: &str = "\
Everything is read from the admin endpoint of one gateway; no database is opened. A P99 is the upper bound of the histogram's
range, and does not include Tails.";

fn help() -> StyledStr {
    let examples = examples(&[
        ("The gateway on this machine", "prism status"),
        ("Another one, again every five seconds", "prism status --admin 10.0.0.7:8981 --watch --interval 5"),
    ]);
    after_help(&format!("{NOTE}\n\n{examples}"))
}

/// The URL of the metrics at an address.
fn address(text: &str) -> Result<Uri, String> {
    const ALLOWED: &str =
        "write host:port, such as 127.0.0.1:8981, or a URL such as https://prism.example.org/";
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url: Uri =
        format!("{}/metrics", url.trim_end_matches('/')).parse().map_err(|_| ALLOWED.to_owned())?;
    let is_http = matches!(url.scheme_str(), Some("http" | "https"));
    // Without a port it would be that of web servers.
    let has_port = text.contains("://") || url.port().is_some();
    if is_http && has_port && url.host().is_some_and(|host| !host.is_empty()) {
        Ok(url)
    } else {
        Err(ALLOWED.to_owned())
    }
}

pub(super) async fn run(args: &StatusArgs) -> Result<(), ExitError> {
    tokio::select! {
        biased;
        shown = show(args) => shown,
        () = interrupted() => Ok(()),
    }
}

async fn show(args: &StatusArgs) -> Result<(), ExitError> {
    let interval = Duration::from_secs(args.interval);
    let endpoint = args.admin.to_string();
    let endpoint = endpoint.trim_end_matches("/metrics");
    let mut before = Scrape::read(&args.admin).await?;
    loop {
        tokio::time::sleep(interval).await;
        let now = Scrape::read(&args.admin).await?;
        let status = Status::of(&Between { before: &before, now: &now });
        let shown = if args.json {
            let json = serde_json::to_string(&status).map_err(|why| ExitError::failed(why.to_string()))?;
            json + "\n"
        } else {
            let clear = if args.watch && std::io::stdout().is_terminal() { CLEAR } else { "" };
            format!("{clear}{}", status.text(endpoint, Screen::stdout().palette))
        };
        if let Err(why) = anstream::stdout().write_all(shown.as_bytes()) {
            // Such as head.
            if why.kind() == std::io::ErrorKind::BrokenPipe {
                return Ok(());
            }
            return Err(ExitError::failed(format!("standard output: {why}")));
        }
        if !args.watch {
            return Ok(());
        }
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_with_its_port_or_a_url() {
        for (text, url) in [
            ("127.0.0.1:8981", "http://127.0.0.1:8981/metrics"),
            ("[::1]:8981", "http://[::1]:8981/metrics"),
            ("https://prism.example.org/", "https://prism.example.org/metrics"),
            ("http://host:1/prism", "http://host:1/prism/metrics"),
        ] {
            assert_eq!(address(text).map(|url| url.to_string()), Ok(url.to_owned()));
        }
        for text in ["", "host", ":8981", "ftp://host:1", "a b:1", "host:99999999"] {
            assert!(address(text).is_err_and(|why| why.starts_with("write host:port")), "{text}");
        }
    }
}
