//! The verdict as an SVG badge.

use super::{Report, RunVerdict, rules};

/// Approximate text width in Verdana at 11 px, by narrow, common and wide characters.
fn width(text: &str) -> f64 {
    let of = |char| match char {
        'i' | 'l' | 'j' | '.' | ',' | '/' | ' ' => 4.0,
        'm' | 'w' | 'M' | 'W' => 10.5,
        _ => 7.0,
    };
    text.chars().map(of).sum()
}

/// A self-contained SVG: `prism conformance`, the verdict, and the number of proven rules, of those that the target could
/// prove. Green is for a full proof only, durability included.
pub fn badge(report: &Report) -> String {
    let (proven, provable) = rules::proven(&report.requirements);
    let rules =
        if proven == provable { format!("{proven} rules") } else { format!("{proven} of {provable} rules") };
    let (left, right) = ("prism conformance", format!("{} · {rules}", report.verdict.label()));
    let color = match report.verdict {
        RunVerdict::Conformant => "#2e7d32",
        RunVerdict::DurabilityNotShown | RunVerdict::CoreConformant => "#1a5fa8",
        RunVerdict::ConformantButForKnownFailures | RunVerdict::Partial => "#a15c00",
        RunVerdict::Incomplete | RunVerdict::NotConformant => "#b3261e",
        RunVerdict::Inconclusive | RunVerdict::NothingRan => "#5f6368",
    };
    let (l, r) = (width(left) + 14.0, width(&right) + 14.0);
    let (all, left_at, right_at) = (l + r, l / 2.0, l + r / 2.0);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{all}" height="20" role="img" aria-label="{left}: {right}">
  <title>{left}: {right}</title>
  <clipPath id="r"><rect width="{all}" height="20" rx="4"/></clipPath>
  <g clip-path="url(#r)">
    <rect width="{l}" height="20" fill="#3c4043"/>
    <rect x="{l}" width="{r}" height="20" fill="{color}"/>
  </g>
  <g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11">
    <text x="{left_at}" y="14">{left}</text>
    <text x="{right_at}" y="14">{right}</text>
  </g>
</svg>
"##
    )
}

#[cfg(test)]
mod tests {
    use crate::core::report::fixture;

    #[test]
    fn the_badge_is_as_it_was() {
        insta::assert_snapshot!(super::badge(&fixture::report()));
    }
}
