//! The contract as HTML, so that links to rules work within the self-contained page.

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// Markdown as HTML, with headings one level below those of the page. A paragraph that begins with `<a id="…"></a>` gets
/// that id, a heading the slug of its text.
pub(super) fn html(text: &str) -> String {
    let mut events: Vec<Event<'_>> = Vec::new();
    // The starts of the current paragraph and the current heading.
    let (mut paragraph, mut heading) = (0, None);
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => match anchor(&html) {
                Some(id) => events[paragraph] = Event::Html(format!("<p id=\"{id}\">").into()),
                None if html.as_ref() == "</a>" => {}
                // Other markup is text.
                None => events.push(Event::Text(html)),
            },
            // The line break after an anchor.
            Event::SoftBreak if events.len() == paragraph + 1 => {}
            Event::Start(Tag::Paragraph) => {
                paragraph = events.len();
                events.push(Event::Html("<p>".into()));
            }
            Event::End(TagEnd::Paragraph) => events.push(Event::Html("</p>\n".into())),
            Event::Start(Tag::Heading { .. }) => heading = Some((events.len(), String::new())),
            Event::End(TagEnd::Heading(level)) => {
                let (at, text) = heading.take().unwrap_or_default();
                let (level, id) = (below(level), slug(&text));
                events.insert(at, Event::Html(format!("<{level} id=\"{id}\">").into()));
                events.push(Event::Html(format!("</{level}>\n").into()));
            }
            Event::Start(Tag::Table(columns)) => {
                events
                    .extend([Event::Html("<div class=\"wide\">".into()), Event::Start(Tag::Table(columns))]);
            }
            Event::End(TagEnd::Table) => {
                events.extend([Event::End(TagEnd::Table), Event::Html("</div>\n".into())]);
            }
            event => {
                if let (Some((_, heading)), Event::Text(text) | Event::Code(text)) = (&mut heading, &event) {
                    heading.push_str(text);
                }
                events.push(event);
            }
        }
    }
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, events.into_iter());
    html
}

fn anchor(html: &CowStr<'_>) -> Option<String> {
    let id = html.trim().strip_prefix("<a id=\"")?.split('"').next()?;
    Some(super::escape(id))
}

fn below(level: HeadingLevel) -> &'static str {
    match level {
        HeadingLevel::H1 | HeadingLevel::H2 => "h3",
        HeadingLevel::H3 => "h4",
        HeadingLevel::H4 => "h5",
        HeadingLevel::H5 | HeadingLevel::H6 => "h6",
    }
}

/// The id of a heading, as in the documentation.
fn slug(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept: String = kept.chars().filter(|char| char.is_alphanumeric() || *char == ' ').collect();
    kept.replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::html;
    use crate::core::Abstraction;
    use crate::core::report::html::escape::with_code;
    use crate::keyvalue::KeyValue;

    #[test]
    fn every_rule_has_its_anchor_and_its_text() {
        let text = html(KeyValue::CONTRACT.text).replace("&quot;", "\"").replace('\n', " ");
        for rule in (KeyValue::CONTRACT.requirements)() {
            let id = &rule.id;
            let rule_text = with_code(&rule.text).replace("&#39;", "'").replace("&quot;", "\"");
            let paragraph = format!("<p id=\"{id}\"><strong>{id}</strong> {rule_text}");
            assert!(text.contains(&paragraph), "{paragraph}");
        }
    }

    #[test]
    fn every_link_has_a_target_and_no_markdown_remains() {
        let text = html(KeyValue::CONTRACT.text);
        for link in text.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(text.contains(&format!("id=\"{link}\"")), "#{link} has no target");
        }
        for left in ["**", "](", "```", "<a id", "| ---"] {
            assert!(!text.contains(left), "{left} remains");
        }
    }

    #[test]
    fn markup_in_the_text_is_escaped() {
        assert_eq!(html("a <b> c"), "<p>a &lt;b&gt; c</p>\n");
    }
}
