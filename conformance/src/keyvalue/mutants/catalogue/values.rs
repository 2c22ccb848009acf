//! Values, keys, names and client metadata: the RT and ISO-1 rules.

use super::{Bug, Seeded, mutant};

pub(super) const MUTANTS: &[Seeded] = &[
    mutant!(TruncatesAtNul, ["RT-1"], "A value ends at its first NUL byte."),
    mutant!(
        ReadsValuesAsUtf8,
        ["RT-1"],
        "A value goes through text, and bytes that are not UTF-8 are replaced."
    ),
    mutant!(CutsLongValues, ["RT-1"], "A value of 1 MiB loses its last byte."),
    mutant!(RefusesAValueAtTheLimit, ["RT-1"], "A value of exactly 1 MiB is refused."),
    mutant!(EmptyValueIsAbsence, ["RT-2"], "An item with an empty value is taken for no item."),
    mutant!(FoldsCase, ["RT-3"], "Keys that differ in case alone are one key."),
    mutant!(TruncatesKeysAtNul, ["RT-3"], "A key ends at its first NUL byte."),
    mutant!(ReadsKeysAsUtf8, ["RT-3"], "Keys go through text, and those that are not UTF-8 fall together."),
    mutant!(NormalisesKeys, ["RT-3"], "Keys are brought to Unicode's composed form."),
    mutant!(ReadsKeysAsNumbers, ["RT-3"], "Keys of digits are numbers, so that 01 is 1."),
    mutant!(LikeFoldsCase, ["RT-3", "PRED-3"], "A prefix is asked with a LIKE that ignores case."),
    mutant!(
        LikeWithoutEscapes,
        ["RT-3", "PRED-3"],
        "A prefix is asked with LIKE, and its % and _ are wildcards."
    ),
    mutant!(FoldsCaseOfIds, ["RT-4"], "Ids that differ in case alone are one record."),
    mutant!(NormalisesIds, ["RT-4"], "Ids are brought to Unicode's composed form."),
    mutant!(TrimsIds, ["RT-4"], "Spaces around an id are dropped."),
    mutant!(DropsContentType, ["RT-5"], "content_type is not kept."),
    mutant!(DropsCompression, ["RT-5"], "compression is not kept."),
    mutant!(ForgetsUnknownCompressions, ["RT-5"], "A compression without a name becomes none."),
    mutant!(AbsentRecordIsNotFound, ["RT-6"], "A Get of an absent record answers NOT_FOUND."),
    mutant!(AnswersAbsentKeysEmpty, ["RT-6"], "A named key that is absent is answered with an empty value."),
    mutant!(LeaksAcrossNamespaces, ["ISO-1"], "Records are kept under namespace and id run together."),
    mutant!(
        ScansByNamespacePrefix,
        ["ISO-1"],
        "A Scan reads every namespace that begins with the one it names."
    ),
];
