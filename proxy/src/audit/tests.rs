use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rstest::rstest;
use tempfile::TempDir;
use tonic::Code;

use super::chain::{Hash, Line, Link};
use super::file::{AuditFile, Entry};
use super::record::Event;
use super::verify::{Report, Verdict, verify};
use super::*;

fn record(code: Code) -> Record {
    Record {
        time: SystemTime::now(),
        request_id: None,
        caller: None,
        peer: None,
        method: "prism.keyvalue.v1.KeyValueService/Put",
        notes: prism_wire::call::CallNotes::default(),
        code,
        latency: Duration::ZERO,
        messages: None,
    }
}

fn call() -> Entry {
    Entry::Call(record(Code::Ok))
}

fn settings() -> config::Audit {
    config::Audit::default()
}

/// The files of the log in the folder, those that were rotated first.
fn series(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file != path && file.to_string_lossy().starts_with(&*path.to_string_lossy()));
    files.sort();
    files.push(path.to_owned());
    files
}

fn verified(path: &Path) -> Report {
    verify(&series(path), None).unwrap()
}

/// A log of three files with five lines each, a header and four calls, and its folder.
fn three_files() -> (TempDir, Vec<PathBuf>) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut file = AuditFile::open(&settings(), &path).unwrap();
    for at in 0..3 {
        if at > 0 {
            file.rotate().unwrap();
        }
        file.append(&[call(), call()]).unwrap();
        file.append(&[call(), call()]).unwrap();
    }
    let files = series(&path);
    (folder, files)
}

fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

fn write_lines(file: &Path, lines: &[String]) {
    fs::write(file, lines.join("\n") + "\n").unwrap();
}

/// The verdict, and the problems as `file:line: text`, where the file is its number.
fn outcome(files: &[PathBuf], expected: Option<Hash>) -> (Verdict, String) {
    let report = verify(files, expected).unwrap();
    let at = |file: &PathBuf| files.iter().position(|other| other == file).unwrap();
    let problems = report.problems.iter();
    let problems: Vec<_> =
        problems.map(|of| format!("{}:{}: {}\n", at(&of.file), of.line, of.problem)).collect();
    (report.verdict, problems.concat())
}

/// A line with other content, sealed by someone who knows the format.
fn forged(line: &str, from: &str, to: &str) -> String {
    let read = Line::read(line.as_bytes()).unwrap();
    let body = line.split_once(",\"prev\"").unwrap().0.replace(from, to);
    let mut link = Link { sequence: read.link.sequence - 1, hash: read.prev };
    let mut bytes = body.into_bytes();
    link.seal(&mut bytes, 0);
    String::from_utf8(bytes).unwrap().trim_end().to_owned()
}

#[test]
fn a_rotated_log_is_one_chain_in_any_order_of_its_files() {
    let (_folder, mut files) = three_files();
    for _ in 0..3 {
        files.rotate_left(1);
        let report = verify(&files, None).unwrap();
        assert_eq!((report.verdict, report.problems), (Verdict::Verified, vec![]));
        let sequences: Vec<_> = report.files.iter().map(|file| (file.first_sequence, file.lines)).collect();
        assert_eq!(sequences, [(Some(1), 5), (Some(6), 5), (Some(11), 5)]);
        assert_eq!(report.continues, None);
    }
    files.sort_by_key(|file| file.to_string_lossy().len());
    let report = verify(&files[..1], None).unwrap();
    assert!(report.continues.unwrap().starts_with("audit.jsonl.20"), "the name of the second file");
}

type Manipulation = fn(&[PathBuf]);

#[rstest]
#[case::a_changed_byte(
    |files: &[PathBuf]| { let mut of = lines(&files[1]); of[2] = of[2].replace("\"OK\"", "\"OL\""); write_lines(&files[1], &of); },
    "1:3: the line was changed: its hash is not that of its bytes\n"
)]
#[case::a_removed_line(
    |files: &[PathBuf]| { let mut of = lines(&files[1]); of.remove(2); write_lines(&files[1], &of); },
    "1:3: 1 line before it missing: sequence number 9 follows 7\n"
)]
#[case::swapped_lines(
    |files: &[PathBuf]| { let mut of = lines(&files[1]); of.swap(2, 3); write_lines(&files[1], &of); },
    "1:3: 1 line before it missing: sequence number 9 follows 7\n\
     1:4: lines were moved or inserted: sequence number 8 follows 9\n\
     1:5: 1 line before it missing: sequence number 10 follows 8\n"
)]
#[case::a_repeated_line(
    |files: &[PathBuf]| { let mut of = lines(&files[1]); of.insert(3, of[2].clone()); write_lines(&files[1], &of); },
    "1:4: lines were moved or inserted: sequence number 8 follows 8\n"
)]
#[case::a_line_replaced_with_its_hash(
    |files: &[PathBuf]| { let mut of = lines(&files[1]); of[2] = forged(&of[2], "allowed", "denied"); write_lines(&files[1], &of); },
    "1:4: it does not continue the line before it: one of them was replaced\n"
)]
#[case::an_inserted_line_of_another_kind(
    |files: &[PathBuf]| { let mut of = lines(&files[1]); of.insert(2, "{}".to_owned()); write_lines(&files[1], &of); },
    "1:3: is not a line of an audit log\n"
)]
#[case::a_removed_header(
    |files: &[PathBuf]| { let mut of = lines(&files[1]); of.remove(0); write_lines(&files[1], &of); },
    "1:1: the file does not begin with a header: it was removed or replaced\n"
)]
#[case::a_replaced_salt(
    |files: &[PathBuf]| { let mut of = lines(&files[1]); let salt = of[0].split("\"salt\":\"").nth(1).unwrap()[..9].to_owned();
        of[0] = of[0].replace(&salt, "000000000"); write_lines(&files[1], &of); },
    "1:1: the line was changed: its hash is not that of its bytes\n"
)]
#[case::a_replaced_header_with_its_hash(
    |files: &[PathBuf]| { let mut of = lines(&files[1]); of[0] = forged(&of[0], "hashed", "plain"); write_lines(&files[1], &of); },
    "1:2: it does not continue the line before it: one of them was replaced\n"
)]
#[case::the_end_of_an_earlier_file(
    |files: &[PathBuf]| { let mut of = lines(&files[0]); of.pop(); write_lines(&files[0], &of); },
    "1:1: it does not continue FILE0: the file before it (NAME0) is missing, cut off or replaced\n"
)]
#[case::half_a_line_at_the_end_of_an_earlier_file(
    |files: &[PathBuf]| { let text = fs::read(&files[0]).unwrap(); fs::write(&files[0], &text[..text.len() - 9]).unwrap(); },
    "0:5: SIZE bytes follow the last whole line, and the next file names 0\n\
     1:1: it does not continue FILE0: the file before it (NAME0) is missing, cut off or replaced\n"
)]
#[case::an_empty_file(|files: &[PathBuf]| fs::write(&files[2], "").unwrap(), "2:1: the file is empty\n")]
fn a_manipulation_is_found_with_its_line(#[case] manipulation: Manipulation, #[case] problems: &str) {
    let (_folder, files) = three_files();
    let torn = lines(&files[0])[4].len() + 1 - 9;
    manipulation(&files);
    let problems = problems.replace("FILE0", &files[0].display().to_string());
    let name = files[0].file_name().unwrap().to_string_lossy();
    let problems = problems.replace("NAME0", &name).replace("SIZE", &torn.to_string());
    assert_eq!(outcome(&files, None), (Verdict::Broken, problems));
}

#[test]
fn a_missing_file_within_a_series_is_found_and_named() {
    let (_folder, files) = three_files();
    let (verdict, problems) = outcome(&[files[0].clone(), files[2].clone()], None);
    assert_eq!(verdict, Verdict::Broken);
    let missing = files[1].file_name().unwrap().to_string_lossy();
    assert!(problems.starts_with("1:1: it does not continue"), "{problems}");
    assert!(problems.contains(&format!("({missing}) is missing")), "{problems}");
}

#[test]
fn half_a_line_at_the_end_is_torn_and_whole_lines_cut_off_show_only_by_a_known_hash() {
    let (_folder, files) = three_files();
    let last = Line::read(lines(&files[2])[4].as_bytes()).unwrap().link.hash;
    assert_eq!(outcome(&files, Some(last)), (Verdict::Verified, String::new()));
    let text = fs::read(&files[2]).unwrap();
    fs::write(&files[2], &text[..text.len() - 9]).unwrap();
    assert_eq!(outcome(&files, None), (Verdict::Torn, String::new()));
    let mut of = lines(&files[2]);
    of.pop();
    write_lines(&files[2], &of);
    assert_eq!(outcome(&files, None), (Verdict::Verified, String::new()), "a chain cannot show its lost end");
    let (verdict, problems) = outcome(&files, Some(last));
    assert_eq!(verdict, Verdict::Broken);
    assert!(problems.starts_with("2:4: no line has the expected hash"), "{problems}");
}

#[test]
fn a_file_that_a_crash_tore_is_kept_and_continued_in_a_new_one() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut file = AuditFile::open(&settings(), &path).unwrap();
    file.append(&[call(), call()]).unwrap();
    drop(file);
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"seq\":4,\"ti").unwrap();
    assert_eq!(verified(&path).verdict, Verdict::Torn);
    let mut file = AuditFile::open(&settings(), &path).unwrap();
    file.append(&[call()]).unwrap();
    let report = verified(&path);
    assert_eq!((report.verdict, report.problems), (Verdict::Verified, vec![]));
    assert_eq!(report.files.iter().map(|file| file.torn_bytes).collect::<Vec<_>>(), [12, 0]);
    assert_eq!(file.last().sequence, 5);
}

/// A file with part of a header, an empty one, and none, each beside a rotated one.
#[rstest]
#[case(Some("{\"seq\":9,\"ti"))]
#[case(Some(""))]
#[case(None)]
fn a_file_without_lines_continues_the_rotated_one(#[case] content: Option<&str>) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut file = AuditFile::open(&settings(), &path).unwrap();
    file.append(&[call()]).unwrap();
    file.rotate().unwrap();
    drop(file);
    fs::remove_file(&path).unwrap();
    if let Some(content) = content {
        fs::write(&path, content).unwrap();
    }
    AuditFile::open(&settings(), &path).unwrap().append(&[call()]).unwrap();
    let report = verified(&path);
    assert_eq!((report.verdict, report.problems), (Verdict::Verified, vec![]));
    assert_eq!(report.files.iter().map(|file| file.lines).collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn a_file_that_is_opened_again_has_one_header() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    for _ in 0..3 {
        AuditFile::open(&settings(), &path).unwrap().append(&[call()]).unwrap();
    }
    assert_eq!(lines(&path).iter().filter(|line| line.contains("\"salt\"")).count(), 1);
    assert_eq!((verified(&path).verdict, verified(&path).files[0].lines), (Verdict::Verified, 4));
}

#[test]
fn only_the_newest_rotated_files_are_kept_and_other_files_are_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let other = folder.path().join("audit.jsonl.backup");
    fs::write(&other, "mine").unwrap();
    let mut file = AuditFile::open(&config::Audit { keep: 2, ..settings() }, &path).unwrap();
    for _ in 0..5 {
        file.append(&[call()]).unwrap();
        file.rotate().unwrap();
    }
    file.append(&[call()]).unwrap();
    assert_eq!(fs::read_to_string(&other).unwrap(), "mine");
    fs::remove_file(&other).unwrap();
    let report = verified(&path);
    assert_eq!((report.verdict, report.files.len()), (Verdict::Verified, 3));
    assert!(report.continues.is_some(), "an older file was deleted");
}

#[test]
fn a_deleted_file_is_an_error_until_a_new_one_continues_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut file = AuditFile::open(&settings(), &path).unwrap();
    file.append(&[call()]).unwrap();
    let last = file.last();
    fs::remove_file(&path).unwrap();
    assert_eq!(file.append(&[call()]).unwrap_err().to_string(), "the file was deleted");
    assert_eq!(file.last(), last, "a line that was not written is no link");
    file.repair().unwrap();
    file.append(&[call()]).unwrap();
    let header = Line::read(lines(&path)[0].as_bytes()).unwrap();
    assert_eq!((header.prev, header.link.sequence), (last.hash, last.sequence + 1));
}

#[test]
fn a_file_that_another_program_changed_is_an_error_until_a_new_one_continues_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut file = AuditFile::open(&settings(), &path).unwrap();
    file.append(&[call()]).unwrap();
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"forged").unwrap();
    let error = file.append(&[call()]).unwrap_err().to_string();
    assert!(error.contains("another program changed it"), "{error}");
    file.repair().unwrap();
    file.append(&[call()]).unwrap();
    let report = verified(&path);
    assert_eq!((report.verdict, report.files.len()), (Verdict::Verified, 2));
    assert_eq!(report.files[0].torn_bytes, 6, "the bytes are kept, and the next file names them");
}

#[test]
fn a_file_in_use_or_with_other_content_is_refused_and_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let _writer = AuditFile::open(&settings(), &path).unwrap();
    assert!(matches!(AuditFile::open(&settings(), &path), Err(OpenError::InUse)));
    let notes = folder.path().join("notes.txt");
    fs::write(&notes, "Buy milk.\nAnd bread.\n").unwrap();
    assert!(matches!(AuditFile::open(&settings(), &notes), Err(OpenError::Foreign)));
    assert_eq!(fs::read_to_string(&notes).unwrap(), "Buy milk.\nAnd bread.\n");
}

#[test]
fn a_file_renamed_by_another_program_is_continued_after_it_is_reopened() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut file = AuditFile::open(&settings(), &path).unwrap();
    file.append(&[call()]).unwrap();
    assert!(!file.reopen().unwrap(), "it is still the same file");
    fs::rename(&path, folder.path().join("audit.jsonl.1")).unwrap();
    file.append(&[call()]).unwrap();
    assert!(!path.exists(), "lines go to the renamed file until then");
    assert!(file.reopen().unwrap());
    file.append(&[call()]).unwrap();
    let report = verified(&path);
    assert_eq!((report.verdict, report.problems), (Verdict::Verified, vec![]));
    assert_eq!(report.files.iter().map(|file| file.lines).collect::<Vec<_>>(), [3, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_calls_keep_one_chain_over_many_rotations() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let audit = Audit::open(&path, &config::Audit { rotate: 8 << 10, keep: 1_000, ..settings() }).unwrap();
    let calls = (0..32).map(|_| {
        let audit = audit.clone();
        tokio::spawn(async move {
            for _ in 0..100 {
                audit.write(record(Code::Ok)).await.unwrap();
            }
        })
    });
    futures::future::try_join_all(calls.collect::<Vec<_>>()).await.unwrap();
    audit.close().await;
    let report = verified(&path);
    assert_eq!((report.verdict, report.problems), (Verdict::Verified, vec![]));
    assert!(report.files.len() > 10, "{} files", report.files.len());
    let calls = report.files.iter().flat_map(|file| lines(&file.file)).filter(|line| line.contains("method"));
    assert_eq!(calls.count(), 3_200);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_fails_writes_and_only_refuse_stops_further_calls() {
    for (on_failure, ready) in [(AuditFailure::Refuse, false), (AuditFailure::Continue, true)] {
        let audit = Audit::open(Path::new("/dev/full"), &config::Audit { on_failure, ..settings() }).unwrap();
        assert_eq!(audit.is_ready(), ready);
        assert_eq!(audit.write(record(Code::Ok)).await, Err(NotWritten));
        assert_eq!((audit.is_ready(), audit.refuses()), (ready, !ready));
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn lines_are_written_again_once_they_can_be_with_the_number_that_was_lost() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let audit = Audit::open(&path, &settings()).unwrap();
    audit.write(record(Code::Ok)).await.unwrap_err();
    fs::remove_file(&path).unwrap();
    assert_eq!(audit.reopen().await, Ok(true));
    audit.write(record(Code::Ok)).await.unwrap();
    assert!(audit.is_ready());
    audit.close().await;
    assert_eq!(verified(&path).verdict, Verdict::Verified);
    // The first line, which names the start of the gateway, and the line of the first call.
    let resumed = lines(&path).into_iter().find(|line| line.contains("resumed")).unwrap();
    assert!(resumed.contains("\"event\":\"resumed\",\"lost\":2,"), "{resumed}");
}

#[tokio::test]
async fn a_flood_of_unauthenticated_calls_has_a_bounded_number_of_lines() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let audit = Audit::open(&path, &settings()).unwrap();
    let calls = (0..1_500).map(|_| audit.write(record(Code::Unauthenticated)));
    futures::future::try_join_all(calls).await.unwrap();
    audit.write(record(Code::PermissionDenied)).await.unwrap();
    audit.close().await;
    let of = lines(&path);
    let count = |text: &str| of.iter().filter(|line| line.contains(text)).count();
    assert_eq!(count("\"status\":\"UNAUTHENTICATED\""), 1_000);
    assert_eq!(count("\"status\":\"PERMISSION_DENIED\""), 1, "other lines are not limited");
    assert_eq!(count("\"event\":\"omitted\",\"unauthenticated\":500,"), 1);
    assert_eq!(verified(&path).verdict, Verdict::Verified);
}

/// A log without a writer, and with room for one line.
fn stalled() -> Audit {
    let shared = Arc::new(Shared {
        queue: Mutex::default(),
        woken: Condvar::new(),
        healthy: AtomicBool::new(true),
        lost: AtomicU64::new(0),
    });
    Audit { room: Arc::new(Semaphore::new(1)), ..Audit::of(shared, AuditFailure::Refuse, None) }
}

#[tokio::test]
async fn a_call_waits_for_room_and_its_line_stays_if_it_is_cancelled_meanwhile() {
    let audit = stalled();
    let mut first = Box::pin(audit.write(record(Code::Ok)));
    let mut second = Box::pin(audit.write(record(Code::NotFound)));
    assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut second).is_pending());
    assert_eq!(audit.shared.lock().waiting.len(), 1, "the second waits for room");
    drop(second);
    let codes: Vec<_> = audit.shared.lock().waiting.iter().map(|line| line.record.code).collect();
    assert_eq!(codes, [Code::Ok, Code::NotFound]);
}

#[test]
fn lines_of_cancelled_calls_have_a_limit_beyond_which_they_are_counted() {
    let audit = stalled();
    for _ in 0..MOST_WAITING + MOST_CANCELLED + 5 {
        audit.write_detached(record(Code::Cancelled));
    }
    assert_eq!(audit.shared.lock().waiting.len(), MOST_WAITING + MOST_CANCELLED);
    assert_eq!(audit.shared.lost.load(Ordering::Relaxed), 5);
    assert!(!audit.is_ready(), "calls are refused until a line names the number");
}

#[test]
fn the_events_of_a_log_have_lines_too() {
    let mut line = Vec::new();
    Event::Resumed { lost: 3 }.write(&mut line, 7);
    let line = String::from_utf8(line).unwrap();
    assert!(
        line.starts_with("{\"seq\":7,\"time\":\"20") && line.ends_with("\"event\":\"resumed\",\"lost\":3")
    );
}
