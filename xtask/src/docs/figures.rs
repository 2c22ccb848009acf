//! The figures of the landing page, from the conformance matrix.

use crate::Result;

/// A sentence with the numbers of rules, cases and mutants on the matrix page.
pub(super) fn paragraph(matrix: &str) -> Result<String> {
    let counts = matrix
        .lines()
        .find_map(counts)
        .ok_or("the conformance matrix has no line 'N rules, N cases, N mutants.'")?;
    let [rules, cases, mutants] = counts;
    Ok(format!(
        "Today the contract has **{rules} [rules](contract.md)**, which **{cases} [cases](conformance-matrix.md)** prove, and the \
         suite is held against **{mutants} [mutants](conformance-matrix.md#mutants)**.\n"
    ))
}

/// The numbers of the line `70 rules, 399 cases, 181 mutants.`
fn counts(line: &str) -> Option<[u32; 3]> {
    let mut parts = line.strip_suffix('.')?.split(", ");
    let mut next = |what: &str| parts.next()?.strip_suffix(what)?.trim_end().parse().ok();
    let counts = [next("rules")?, next("cases")?, next("mutants")?];
    parts.next().is_none().then_some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_matrix_and_a_page_without_them_is_an_error() {
        let text = paragraph("# Page\n\n7 rules, 30 cases, 12 mutants.\n").unwrap();
        for number in ["**7 [rules]", "**30 [cases]", "**12 [mutants]"] {
            assert!(text.contains(number), "{number} is not in {text}");
        }
        for other in ["", "7 rules, 30 cases.\n", "7 rules, many cases, 12 mutants.\n"] {
            assert!(paragraph(other).is_err(), "{other}");
        }
    }
}
