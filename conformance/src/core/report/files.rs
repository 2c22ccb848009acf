//! The files that a run writes its report to.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Report, badge, html, junit};

/// The files of a report; `None`: this format is not written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The report as JSON.
    pub json: Option<PathBuf>,
    /// The report as JUnit XML.
    pub junit: Option<PathBuf>,
    /// The report as an HTML page.
    pub html: Option<PathBuf>,
    /// The verdict as an SVG badge.
    pub badge: Option<PathBuf>,
}

/// A format's name, its file if it is written, and its renderer.
type Format<'a> = (&'static str, &'a Option<PathBuf>, fn(&Report) -> String);

/// A format that is written.
type File<'a> = (&'static str, &'a Path, fn(&Report) -> String);

impl Files {
    /// The names of the formats.
    pub const FORMATS: [&'static str; 4] = ["json", "junit", "html", "badge"];

    /// The field of a format.
    pub(crate) fn of(&mut self, format: &str) -> Option<&mut Option<PathBuf>> {
        match format {
            "json" => Some(&mut self.json),
            "junit" => Some(&mut self.junit),
            "html" => Some(&mut self.html),
            "badge" => Some(&mut self.badge),
            _ => None,
        }
    }

    fn requested(&self) -> impl Iterator<Item = File<'_>> {
        let files: [Format<'_>; 4] = [
            ("json", &self.json, Report::to_json),
            ("junit", &self.junit, junit),
            ("html", &self.html, html),
            ("badge", &self.badge, badge),
        ];
        files.into_iter().filter_map(|(format, path, render)| Some((format, path.as_deref()?, render)))
    }

    /// The file that the folder of failures is put beside: the one for people, if it is written.
    pub fn main(&self) -> Option<&Path> {
        let paths = [&self.html, &self.json, &self.junit, &self.badge];
        paths.into_iter().find_map(|path| path.as_deref())
    }

    /// Checks the paths before a run, so that a typo does not cost a whole run. `option` is the name of a format's option, for
    /// messages; `other` is another option that names a file to write, and that file.
    ///
    /// # Errors
    /// If two options have one path, or if a path cannot be a file.
    pub fn check(&self, option: impl Fn(&str) -> String, other: Option<(&str, &Path)>) -> Result<(), String> {
        let mut taken: Vec<(&Path, String)> = Vec::new();
        let named = self.requested().map(|(format, path, _)| (option(format), path));
        let other = other.into_iter().map(|(name, path)| (name.to_owned(), path));
        for (name, path) in named.chain(other) {
            if let Some((_, other)) = taken.iter().find(|(known, _)| *known == path) {
                return Err(format!("{other} and {name} both name {}", path.display()));
            }
            taken.push((path, name.clone()));
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            if path.is_dir() {
                return Err(format!("{name}: {} is a folder; name a file", path.display()));
            }
            if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
                return Err(format!("{name}: {}: there is no folder {}", path.display(), folder.display()));
            }
        }
        Ok(())
    }

    /// Writes all requested files. Per file, its path, or why it could not be written.
    pub fn write(&self, report: &Report) -> Vec<Result<PathBuf, String>> {
        let written = self.requested().map(|(_, path, render)| {
            let error = |error| format!("{} cannot be written: {error}", path.display());
            fs::write(path, render(report)).map(|()| path.to_owned()).map_err(error)
        });
        written.collect()
    }

    /// The files of one of several targets: its name is added to each file's name.
    #[must_use]
    pub(crate) fn for_target(&self, name: &str) -> Self {
        let named = |path: &Option<PathBuf>| {
            let path = path.as_deref()?;
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let extension = path.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
            Some(path.with_file_name(format!("{stem}-{name}{}", extension.unwrap_or_default())))
        };
        Self {
            json: named(&self.json),
            junit: named(&self.junit),
            html: named(&self.html),
            badge: named(&self.badge),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_cannot_be_written_are_refused_before_the_run() {
        let place = tempfile::tempdir().expect("a folder is created");
        let path = |name: &str| Some(place.path().join(name));
        let known = place.path().join("known");
        let check =
            |files: Files| files.check(|format| format!("--{format}"), Some(("--write-known", &known)));
        assert_eq!(check(Files { json: path("a"), html: path("b"), ..Files::default() }), Ok(()));
        for (files, why) in [
            (Files { json: path("a"), html: path("a"), ..Files::default() }, "--json and --html both name"),
            (Files { json: path("known"), ..Files::default() }, "--json and --write-known both name"),
            (Files { badge: path(""), ..Files::default() }, "is a folder; name a file"),
            (Files { junit: path("no/a"), ..Files::default() }, "--junit: "),
        ] {
            let error = check(files).expect_err(why);
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_files_of_several_targets_are_told_apart_by_name() {
        let files = Files { html: Some("out/report.html".into()), ..Files::default() };
        assert_eq!(files.for_target("mine").html, Some("out/report-mine.html".into()));
        let files = Files { badge: Some("badge".into()), ..Files::default() };
        assert_eq!(files.for_target("mine").badge, Some("badge-mine".into()));
    }
}
