//! Layouts of a table: in a pipe, and on terminals of several widths.

use prism_contract::Timestamp;
use prism_contract::keyvalue::Key;

use super::*;
use crate::client::out::grouped;

fn item(key: &'static str, value: &'static [u8], version: i64) -> Item {
    Item {
        key: Key::new(key).unwrap(),
        value: value.into(),
        content_type: String::new(),
        compression: 0,
        version,
        priority_token: 0,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        expires_at: None,
    }
}

#[test]
fn columns_are_aligned_and_each_item_is_one_line() {
    let items = [item("a", b"x\ny", 7), item("long-key", b"\xff", 1_234_567_890)];
    let lines = Table::new(Screen::PIPE, false, false, false).page(items.iter().map(|item| ("r", item)));
    assert_eq!(
        lines,
        [
            "KEY       VERSION     UPDATED               VALUE",
            "a         7           1970-01-01T00:00:00Z  x\\ny",
            "long-key  1234567890  1970-01-01T00:00:00Z  \\xff",
        ]
    );
}

#[test]
fn the_header_is_printed_once_and_only_above_items() {
    let mut table = Table::new(Screen::PIPE, true, true, false);
    assert_eq!(table.page([]), Vec::<String>::new());
    let one = item("k", b"", 1);
    assert_eq!(
        table.page([("r", &one)]),
        ["ID  KEY  VERSION  UPDATED", "r   k    1        1970-01-01T00:00:00Z",]
    );
    assert_eq!(table.page([("r", &one)]).len(), 1);
}

#[test]
fn an_empty_value_leaves_no_space_at_the_end_of_the_line() {
    for width in [None, Some(80)] {
        let screen = Screen { width, ..Screen::PIPE };
        let lines = Table::new(screen, false, false, false).page([("r", &item("k", b"", 1))]);
        assert_eq!(lines[1], "k    1        1970-01-01T00:00:00Z");
    }
}

#[test]
fn metadata_follows_the_value() {
    let mut item_with_metadata = item("k", b"v", 1);
    item_with_metadata.content_type = "text/plain".to_owned();
    item_with_metadata.compression = 1;
    item_with_metadata.expires_at = Some(Timestamp::EPOCH);
    let lines = Table::new(Screen::PIPE, false, false, false).page([("r", &item_with_metadata)]);
    assert!(lines[1].ends_with("v  (expires 1970-01-01T00:00:00Z, text/plain, gzip)"), "{}", lines[1]);
    item_with_metadata.compression = 77;
    let lines = Table::new(Screen::PIPE, false, false, false).page([("r", &item_with_metadata)]);
    assert!(lines[1].ends_with("compression 77)"), "{}", lines[1]);
}

/// The lines of one item on a terminal of this width, without colour.
fn on_terminal(width: usize, id: &str, item: &Item) -> Vec<String> {
    let screen = Screen { width: Some(width), ..Screen::PIPE };
    Table::new(screen, !id.is_empty(), false, false).page([(id, item)])
}

#[test]
fn a_long_value_is_shortened_to_the_width_with_the_number_of_bytes_left_out() {
    let long = item("k", "日本語 ".repeat(1_000).leak().as_bytes(), 1);
    for width in [40, 60, 80, 200] {
        let lines = on_terminal(width, "", &long);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].width() <= width && lines[1].width() > width - 3, "{width}: {lines:?}");
        let (shown, more) = lines[1].split_once("… ").unwrap();
        let shown = shown.rsplit_once("  ").unwrap().1;
        assert_eq!(more, format!("{} more bytes", grouped(10_000 - shown.len() as u64)));
    }
    let screen = Screen { width: Some(40), ..Screen::PIPE };
    let full = Table::new(screen, false, false, true).page([("r", &long)]);
    assert!(full[1].ends_with(&"日本語 ".repeat(1_000)), "--full shortens");
}

#[test]
fn columns_are_left_out_on_a_narrow_terminal_and_ids_stay_whole() {
    let one = item("k", b"a value of more than a line of a narrow terminal", 1);
    let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let headings = |width| on_terminal(width, id, &one)[0].split_whitespace().count();
    assert_eq!([200, 98, 97, 76, 75, 67].map(headings), [5, 5, 4, 4, 3, 3]);
    // Narrower ones have the id above the items.
    for (width, header) in [
        (66, "  KEY  VERSION  UPDATED               VALUE"),
        (61, "  KEY  VERSION  VALUE"),
        (39, "  KEY  VALUE"),
        (1, "  KEY  VALUE"),
    ] {
        let lines = on_terminal(width, id, &one);
        assert_eq!((lines[0].as_str(), lines[1].as_str(), lines[2].as_str()), ("ID", header, id), "{width}");
        assert!(lines[3].starts_with("  k"), "{lines:?}");
        let last = lines.last().unwrap();
        assert!(last.width() <= width.max(INDENT.len() + 1), "{width}: {lines:?}");
    }
}

#[test]
fn an_id_above_items_is_printed_once_for_its_record() {
    let (one, two) = (item("k1", b"v", 1), item("k2", b"v", 2));
    let screen = Screen { width: Some(30), ..Screen::PIPE };
    let mut table = Table::new(screen, true, true, false);
    let id = "a-long-id-of-30-characters-----";
    let first = table.page([(id, &one), (id, &two)]);
    assert_eq!(first, ["ID", "  KEY  VERSION", id, "  k1   1", "  k2   2"]);
    assert_eq!(table.page([(id, &one), ("b", &two)]), ["  k1   1", "b", "  k2   2"]);
}

#[test]
fn notes_that_do_not_fit_have_their_own_line() {
    let mut one = item("k", b"v", 1);
    one.expires_at = Some(Timestamp::EPOCH);
    one.content_type = "text/plain".to_owned();
    let notes = "(expires 1970-01-01T00:00:00Z, text/plain)";
    assert!(on_terminal(100, "", &one)[1].ends_with(&format!("v  {notes}")));
    let narrow = on_terminal(50, "", &one);
    assert_eq!(narrow[1..], ["k    1        v".to_owned(), format!("{INDENT}{notes}")]);
}

#[test]
fn only_the_palette_colours_and_escapes_of_a_value_stay_text() {
    let red = item("k", b"\x1b[31mred", 1);
    let plain = on_terminal(80, "", &red);
    assert!(plain.iter().all(|line| !line.contains('\u{1b}')), "{plain:?}");
    let screen = Screen { width: Some(80), palette: crate::terminal::Palette::COLOR };
    let colored = Table::new(screen, false, false, false).page([("", &red)]);
    assert!(colored[0].starts_with("\u{1b}[1mKEY\u{1b}[0m"), "{colored:?}");
    assert!(colored[1].contains("\\x1b[31mred") && colored[1].contains("\u{1b}[36mk"), "{colored:?}");
}
