//! Download of a wheel from the package registry configured on this machine.
//!
//! With pip if available, because it knows the machine's index, credentials, proxy and certificates; else by HTTPS from the
//! index in `PIP_INDEX_URL` or `UV_DEFAULT_INDEX`, or from the public one.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ureq::tls::{Certificate, RootCerts, TlsConfig};
use url::Url;

use super::pinned::{MAX_BYTES, Wheel};

/// Timeout of a download.
const TIMEOUT: Duration = Duration::from_mins(3);

/// Timeout of connecting to a registry.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Variables with the index URL, in order of precedence.
const INDEX_VARIABLES: [&str; 3] = ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"];

/// The default index.
const PUBLIC_INDEX: &str = "https://pypi.org/simple";

/// Downloads `wheel` into `folder`, under its file name. The content is not checked yet.
///
/// # Errors
/// All attempts with their reasons.
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

/// pip selects the file by the machine's architecture, which gives the same file, and checks the hash as well.
fn by_pip(python: &str, wheel: &Wheel, folder: &Path) -> Result<(), String> {
    let io = |error: std::io::Error| error.to_string();
    let requirements = folder.join("requirements.txt");
    let Wheel { package, version, sha256, file } = wheel;
    fs::write(&requirements, format!("{package}=={version} --hash=sha256:{sha256}\n")).map_err(io)?;
    let log_path = folder.join("pip.log");
    let log = fs::File::create(&log_path).map_err(io)?;
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
    let deadline = Instant::now() + TIMEOUT;
    let status = loop {
        if let Some(status) = pip.try_wait().map_err(io)? {
            break status;
        }
        if Instant::now() > deadline {
            let _ = pip.kill();
            let _ = pip.wait();
            return Err(format!("not finished within {} s", TIMEOUT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    if status.success() {
        let downloaded = folder.join(file).is_file();
        return if downloaded { Ok(()) } else { Err(format!("it did not download {file}")) };
    }
    let log = fs::read_to_string(&log_path).unwrap_or_default();
    let last = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("without a message");
    Err(format!("{status}, {}", last.trim()))
}

/// The URL of the index.
fn index(variable: impl Fn(&str) -> Option<String>) -> Result<Url, String> {
    let configured = INDEX_VARIABLES
        .into_iter()
        .find_map(|name| Some((name, variable(name).filter(|value| !value.trim().is_empty())?)));
    let (name, value) = configured.unwrap_or(("the public index", PUBLIC_INDEX.to_owned()));
    // The value is not shown: it may contain a password.
    let invalid = |why: &str| format!("{name} is not the URL of a package index: {why}");
    let url = Url::parse(&format!("{}/", value.trim().trim_end_matches('/')))
        .map_err(|error| invalid(&error.to_string()))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(invalid("it begins with neither https:// nor http://"));
    }
    Ok(url)
}

/// Downloads the wheel linked on the index's page of the package.
fn by_https(index: &Url, wheel: &Wheel) -> Result<Vec<u8>, String> {
    let host = index.host_str().unwrap_or_default().to_owned();
    let with_host = |why: String| format!("{host}: {why}");
    let agent = agent();
    let page = index.join(&format!("{}/", wheel.package)).map_err(|error| with_host(error.to_string()))?;
    let html = get(&agent, &page, "text/html", MAX_BYTES).map_err(with_host)?;
    let link = link(&page, &String::from_utf8_lossy(&html), wheel.file)
        .ok_or_else(|| with_host(format!("the index has no {}", wheel.file)))?;
    get(&agent, &link, "*/*", MAX_BYTES).map_err(with_host)
}

fn agent() -> ureq::Agent {
    let native = rustls_native_certs::load_native_certs().certs;
    // Without system certificates, fall back to the WebPKI roots.
    let roots = if native.is_empty() {
        RootCerts::WebPki
    } else {
        native.iter().map(|der| Certificate::from_der(der).to_owned()).collect::<Vec<_>>().into()
    };
    ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .build()
        .into()
}

fn get(agent: &ureq::Agent, url: &Url, accept: &str, most: u64) -> Result<Vec<u8>, String> {
    let mut answer =
        agent.get(url.as_str()).header("Accept", accept).call().map_err(|error| error.to_string())?;
    answer.body_mut().with_config().limit(most).read_to_vec().map_err(|error| error.to_string())
}

/// Target of the link to the file of this name on an index page.
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
    fn a_link_is_matched_by_its_whole_file_name_and_resolved_against_the_page() {
        let page = "https://index/simple/p/".parse().unwrap();
        let html = "<a href=\"../../files/other-p.whl#sha256=1\">p.whl</a>\n<a data-x href='../../files/p.whl?a=1&amp;b=2#sha256=2'>";
        assert_eq!(
            link(&page, html, "p.whl").unwrap().as_str(),
            "https://index/files/p.whl?a=1&b=2#sha256=2"
        );
        assert_eq!(link(&page, html, "q.whl"), None);
    }

    #[test]
    fn the_configured_index_is_used_and_errors_do_not_show_its_url() {
        let configured =
            |value: &'static str| index(move |name| (name == "PIP_INDEX_URL").then(|| value.to_owned()));
        assert_eq!(configured("https://u:p@mirror/simple").unwrap().as_str(), "https://u:p@mirror/simple/");
        assert_eq!(configured(" ").unwrap().as_str(), format!("{PUBLIC_INDEX}/"));
        let refused = configured("ftp://u:secret@h/").unwrap_err();
        assert_eq!(
            refused,
            "PIP_INDEX_URL is not the URL of a package index: it begins with neither https:// nor http://"
        );
    }
}
