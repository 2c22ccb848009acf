//! The chart of `compare`: the gateway beside other servers, drawn from the table of the results. The same code draws a recorded
//! table, so that the figures of a page and its chart agree.

use std::path::Path;

use crate::failure::Failure;
use crate::plot::{Bar, Group, bars};
use crate::stats::Spread;
use crate::target::Kind;

/// The servers of the chart, in its order. Clients of a database without a server between are left out.
const SERVERS: [Kind; 5] = [Kind::PrismSqlite, Kind::PrismPostgres, Kind::Etcd, Kind::Redis, Kind::Echo];

/// Draws a table as [`Report::markdown`](super::Report::markdown) prints it.
///
/// # Errors
/// The table has no figures of these servers, or the file cannot be written.
pub fn draw(table: &str, title: &str, file: &Path) -> Result<(), Failure> {
    let failed = |why: &str| Failure::of(&file.display().to_string(), &why);
    let groups = groups(table);
    if groups.is_empty() {
        return Err(failed("the table has no row such as '| put | etcd | 22576 (19908..23873) |'"));
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|why| failed(&why.to_string()))?;
    }
    bars(file, title, &groups).map_err(|why| failed(&why))
}

/// The part of a page below the heading of this text, up to the next heading.
///
/// # Errors
/// The page has no such heading.
pub fn section<'a>(page: &'a str, heading: &str) -> Result<&'a str, String> {
    let is_heading = |line: &str| line.trim_start_matches('#').trim() == heading && line.starts_with('#');
    let mut start = 0;
    for line in page.split_inclusive('\n') {
        start += line.len();
        if is_heading(line) {
            let rest = page.get(start..).unwrap_or_default();
            return Ok(rest.split("\n#").next().unwrap_or(rest));
        }
    }
    Err(format!("the page has no heading '{heading}'"))
}

/// The rows of the servers, by operation.
fn groups(table: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (operation, bar) in table.lines().filter_map(row) {
        match groups.iter_mut().find(|group| group.name == operation) {
            Some(group) => group.bars.push(bar),
            None => groups.push(Group { name: operation.to_owned(), bars: vec![bar] }),
        }
    }
    let place = |bar: &Bar| SERVERS.iter().position(|server| server.name() == bar.name);
    for group in &mut groups {
        group.bars.sort_by_key(place);
    }
    groups
}

/// The operation and the bar of a row; `None` for other lines, other targets, and targets that are not installed.
fn row(line: &str) -> Option<(&str, Bar)> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    let (operation, target, rate) = (cells.next()?, cells.next()?, cells.next()?);
    let server = SERVERS.into_iter().find(|server| server.name() == target)?;
    let (median, spread) = rate.strip_suffix(')')?.split_once(" (")?;
    let (least, most) = spread.split_once("..")?;
    let value = Spread { median: median.parse().ok()?, least: least.parse().ok()?, most: most.parse().ok()? };
    let subject = matches!(server, Kind::PrismSqlite | Kind::PrismPostgres);
    Some((operation, Bar { name: target.to_owned(), value, subject }))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// The charts of the book: section of docs/benchmarks.md, title, file.
    const RECORDED: [(&str, &str, &str); 2] = [
        ("64 in flight", "Requests per second, 64 in flight", "throughput-64-in-flight.svg"),
        ("A lone client", "Requests per second, a lone client", "throughput-lone-client.svg"),
    ];

    #[test]
    fn the_charts_of_the_book_show_the_figures_of_its_tables() {
        let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let page = std::fs::read_to_string(docs.join("benchmarks.md")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (heading, title, file) in RECORDED {
            let drawn = folder.path().join(file);
            draw(section(&page, heading).unwrap(), title, &drawn).unwrap();
            let committed = std::fs::read_to_string(docs.join("benchmarks").join(file)).unwrap_or_default();
            let same = committed == std::fs::read_to_string(&drawn).unwrap();
            assert!(same, "run `prism-bench chart docs/benchmarks.md --section '{heading}'`, see its help");
        }
    }

    #[test]
    fn only_rows_of_servers_with_figures_are_drawn() {
        let table = "| operation | target | requests/s |\n| --- | --- | ---: |\n\
                     | put | redis | 9 (8..10) | 1 |\n\
                     | put | sqlite-direct | 7 (6..8) | 1 |\n\
                     | put | prism-sqlite | 5 (4..6) | 1 |\n\
                     | get | etcd | not installed (apt-get install etcd-server) | - |\n";
        let [group] = groups(table).try_into().unwrap();
        assert_eq!(group.name, "put");
        let bars: Vec<_> =
            group.bars.iter().map(|bar| (bar.name.as_str(), bar.value.median, bar.subject)).collect();
        assert_eq!(bars, [("prism-sqlite", 5.0, true), ("redis", 9.0, false)]);
        let error = draw("no table", "title", Path::new("none.svg")).unwrap_err().to_string();
        assert!(error.contains("none.svg: the table has no row such as"), "{error}");
    }

    #[test]
    fn a_section_ends_at_the_next_heading() {
        let page = "# Page\n\n## One\n\nfirst\n\n### Two\n\nsecond\n";
        assert_eq!(section(page, "One").unwrap().trim(), "first");
        assert_eq!(section(page, "Two").unwrap().trim(), "second");
        assert_eq!(section(page, "Three").unwrap_err(), "the page has no heading 'Three'");
    }
}
