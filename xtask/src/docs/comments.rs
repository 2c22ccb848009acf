//! Comments of the .proto files, by the element they document.

use std::collections::HashMap;

use protox::prost_reflect::DescriptorPool;

use crate::Result;

/// The FileDescriptorProto field above which a file's comment is: `syntax`.
const SYNTAX: &[i32] = &[12];

/// The comments of all files.
pub(super) struct Comments(HashMap<(String, Vec<i32>), String>);

impl Comments {
    /// The comments of `pool`, which must be compiled with source information.
    pub(super) fn of(pool: &DescriptorPool) -> Self {
        let mut comments = HashMap::new();
        for file in pool.files() {
            let Some(info) = &file.file_descriptor_proto().source_code_info else { continue };
            for location in &info.location {
                if let Some(comment) = &location.leading_comments {
                    comments.insert((file.name().to_owned(), location.path.clone()), comment.clone());
                }
            }
        }
        Self(comments)
    }

    /// The comment of the element at `path` in a file, without the leading space of each line. `name` is for the error if it
    /// is missing.
    pub(super) fn at(&self, file: &str, path: &[i32], name: &str) -> Result<String> {
        let found = self.0.get(&(file.to_owned(), path.to_vec()));
        let comment = found.ok_or_else(|| format!("{file}: {name} has no comment"))?;
        let lines: Vec<_> = comment.lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        Ok(lines.join("\n").trim_end().to_owned())
    }

    /// The comment of a file.
    pub(super) fn of_file(&self, file: &str) -> Result<String> {
        self.at(file, SYNTAX, "the file")
    }
}
