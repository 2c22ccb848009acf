//! `prism backup` of a file that a gateway serves under load, restored; and killed at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::future::join_all;
use prism_contract::TimeInput;
use prism_contract::keyvalue::request::{ItemInput, PutRequest, ScanRequest};
use prism_contract::timeseries::request::{
    AppendRequest, EventInput, QueryRequest, TailFrom, TailRequest, TailResponse,
};
use prism_wire::channel::{CallError, Options};
use prism_wire::resume::Resume;
use prism_wire::{keyvalue, timeseries};
use serde_json::Value;
use tempfile::TempDir;
use tonic::Code;

use super::reload::configured;
use crate::{Serving, prism, run, stderr};

pub(super) const RULES: &str = "namespaces: {rules: [{match: events, abstraction: timeseries}]}\n";

pub(super) fn backup(folder: &Path, args: &[&str]) -> Command {
    let mut command = prism(folder);
    command.arg("backup").args(args);
    command
}

/// Runs a command that must succeed, and returns its line of JSON.
pub(super) fn json(command: &mut Command) -> Value {
    let output = run(command.arg("--json"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn options(serving: &Serving) -> Options {
    let mut options = Options::new(format!("http://{}", serving.address));
    options.timeout = Some(Duration::from_secs(30));
    options
}

async fn keyvalue(serving: &Serving) -> keyvalue::Client {
    keyvalue::Client::connect(&options(serving)).await.unwrap()
}

async fn timeseries(serving: &Serving) -> timeseries::Client {
    timeseries::Client::connect(&options(serving)).await.unwrap()
}

fn start(folder: &Path) -> Serving {
    let mut serving = Serving::start(&mut configured(folder, RULES));
    // The log of a call per write is not read.
    serving.close_log();
    serving
}

/// Stops the gateway, puts the copy in the place of its file as the documentation says, and starts a gateway on it.
fn restore(folder: &Path, mut serving: Serving, copy: &str) -> Serving {
    serving.signal("-TERM");
    assert_eq!(serving.wait().code(), Some(0));
    for name in ["prism.db-wal", "prism.db-shm"] {
        if folder.join(name).exists() {
            fs::remove_file(folder.join(name)).unwrap();
        }
    }
    fs::rename(folder.join(copy), folder.join("prism.db")).unwrap();
    start(folder)
}

/// The two keys, or ids of events, of a write.
fn halves(number: usize) -> [String; 2] {
    [format!("{number:06}-a"), format!("{number:06}-b")]
}

fn put(writer: usize, number: usize) -> PutRequest {
    let item =
        |key: String| ItemInput { key: key.into(), value: vec![7; 300].into(), ..ItemInput::default() };
    PutRequest {
        namespace: "items".to_owned(),
        id: format!("w{writer}"),
        items: halves(number).map(item).into(),
        ..PutRequest::default()
    }
}

/// Two events of an Append, in two series, which may be in different partitions.
fn append(writer: usize, number: usize) -> AppendRequest {
    let event = |id: String| EventInput {
        series: format!("w{writer}-{}", &id[7..]),
        time: Some(TimeInput { seconds: 1_800_000_000, nanos: 0 }),
        id: id.into(),
        payload: vec![7; 300].into(),
        ..EventInput::default()
    };
    AppendRequest { namespace: "events".to_owned(), events: halves(number).map(event).into() }
}

/// Writers that write one after the other until they are stopped, and the number of writes of each that was acknowledged.
struct Load {
    acknowledged: Arc<Vec<AtomicUsize>>,
    stop: Arc<AtomicBool>,
    writers: Vec<tokio::task::JoinHandle<()>>,
}

/// Those of KeyValue; as many are of TimeSeries.
const WRITERS: usize = 4;

impl Load {
    async fn start(serving: &Serving) -> Self {
        let acknowledged: Arc<Vec<_>> = Arc::new((0..2 * WRITERS).map(|_| AtomicUsize::new(0)).collect());
        let stop = Arc::new(AtomicBool::new(false));
        let (items, events) = (keyvalue(serving).await, timeseries(serving).await);
        let writers = (0..2 * WRITERS).map(|writer| {
            let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
            let (items, events) = (items.clone(), events.clone());
            tokio::spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    if writer < WRITERS {
                        items.put(put(writer, number)).await.unwrap();
                    } else {
                        events.append(append(writer, number)).await.unwrap();
                    }
                    acknowledged[writer].store(number + 1, Ordering::SeqCst);
                }
            })
        });
        let writers = writers.collect();
        Self { acknowledged, stop, writers }
    }

    fn counts(&self) -> Vec<usize> {
        self.acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).collect()
    }

    /// Waits until each writer has this many more acknowledged writes than `counts`.
    async fn more_than(&self, counts: &[usize], more: usize) {
        let began = Instant::now();
        while self.counts().iter().zip(counts).any(|(now, then)| *now < then + more) {
            assert!(began.elapsed() < Duration::from_mins(1), "the writers stand still: {:?}", self.counts());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stop(self) -> Vec<usize> {
        self.stop.store(true, Ordering::SeqCst);
        for writer in join_all(self.writers).await {
            writer.unwrap();
        }
        self.acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).collect()
    }
}

/// The writes of each writer that are there. Panics if one is there by half.
async fn whole(serving: &Serving) -> Vec<BTreeSet<usize>> {
    let mut found = BTreeMap::<(usize, usize), usize>::new();
    let writer_of = |name: &str| name[1..].split('-').next().unwrap().parse::<usize>().unwrap();
    let number_of = |id: &[u8]| std::str::from_utf8(&id[..6]).unwrap().parse::<usize>().unwrap();
    let scan = ScanRequest { namespace: "items".to_owned(), ..ScanRequest::default() };
    let mut messages = keyvalue(serving).await.scan(scan, Resume::Never);
    while let Some(message) = messages.next().await {
        for entry in message.unwrap().entries {
            assert_eq!(entry.item.value, vec![7; 300]);
            let number = number_of(entry.item.key.as_bytes());
            *found.entry((writer_of(entry.id.as_str()), number)).or_default() += 1;
        }
    }
    let client = timeseries(serving).await;
    for series in (WRITERS..2 * WRITERS).flat_map(|writer| ["a", "b"].map(|half| format!("w{writer}-{half}")))
    {
        let writer = writer_of(&series);
        let query = QueryRequest { namespace: "events".to_owned(), series, ..QueryRequest::default() };
        let mut messages = client.query(query, Resume::Never);
        while let Some(message) = messages.next().await {
            for event in message.unwrap().events {
                assert_eq!(event.payload, vec![7; 300]);
                *found.entry((writer, number_of(event.id.as_bytes()))).or_default() += 1;
            }
        }
    }
    let mut writes = vec![BTreeSet::new(); 2 * WRITERS];
    for ((writer, number), halves) in found {
        assert_eq!(halves, 2, "the write {number} of writer {writer} is torn");
        writes[writer].insert(number);
    }
    writes
}

/// Reads the log of all events until as many as `wanted` have come, in one message at least; all events, and the last token.
async fn read_tail(serving: &Serving, from: TailFrom, wanted: usize) -> Result<TailResponse, CallError> {
    let request = TailRequest { namespace: "events".to_owned(), from, ..TailRequest::default() };
    let mut messages = timeseries(serving).await.tail(request, Resume::Never);
    let mut all = TailResponse::default();
    loop {
        let message = messages.next().await.unwrap()?;
        all.token = message.token;
        all.events.extend(message.events);
        if all.events.len() >= wanted {
            return Ok(all);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_has_everything_that_was_acknowledged_before_it_began_and_nothing_torn() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let serving = start(folder);
    let load = Load::start(&serving).await;
    load.more_than(&[0; 2 * WRITERS], 30).await;
    let mut reports = Vec::new();
    for name in ["first.db", "second.db", "third.db"] {
        let before = load.counts();
        let mut command = backup(folder, &[name, "--config", "prism.yaml"]);
        let report = tokio::task::spawn_blocking(move || json(&mut command)).await.unwrap();
        let after = load.counts();
        // The gateway went on while it was copied.
        assert!(after.iter().sum::<usize>() > before.iter().sum::<usize>(), "{before:?} {after:?}");
        reports.push((name, before, after, report));
    }
    load.more_than(&load.counts(), 10).await;
    let last = load.stop().await;
    let mut serving = serving;
    for (name, before, after, report) in reports {
        serving = restore(folder, serving, name);
        let writes = whole(&serving).await;
        for (writer, writes) in writes.iter().enumerate() {
            let (count, numbers) = (writes.len(), writes.iter().copied());
            assert!(numbers.eq(0..count), "writer {writer} has gaps: {writes:?}");
            // One more may be there than was acknowledged.
            let allowed = before[writer]..=after[writer] + 1;
            assert!(allowed.contains(&count), "{name}: writer {writer} has {count}, not {allowed:?}");
            assert!(count < last[writer], "the backup ended after the load");
        }
        let sum = |writers: &[BTreeSet<usize>]| 2 * writers.iter().map(BTreeSet::len).sum::<usize>();
        let (items, events) = (sum(&writes[..WRITERS]), sum(&writes[WRITERS..]));
        assert_eq!(report["keyvalue"]["items"], items);
        assert_eq!(report["timeseries"]["events"], events);
        assert_eq!(report["damage"], serde_json::json!([]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_database_refuses_tokens_of_tails_from_before_and_after_the_backup() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let serving = start(folder);
    let append_to = async |serving: &Serving, numbers: std::ops::Range<usize>| {
        let client = timeseries(serving).await;
        for number in numbers {
            client.append(append(WRITERS, number)).await.unwrap();
        }
    };
    append_to(&serving, 0..5).await;
    let before = read_tail(&serving, TailFrom::Beginning, 10).await.unwrap().token;
    json(&mut backup(folder, &["copy.db", "--config", "prism.yaml"]));
    append_to(&serving, 5..7).await;
    let after = read_tail(&serving, TailFrom::Token(before.clone()), 4).await.unwrap().token;
    let serving = restore(folder, serving, "copy.db");
    // The log comes as far as the tokens again, with other events.
    append_to(&serving, 100..110).await;
    for token in [before, after] {
        let refused = read_tail(&serving, TailFrom::Token(token), 1).await.unwrap_err();
        let status = refused.status().unwrap();
        assert_eq!((status.code, status.message.contains("expired")), (Code::OutOfRange, true), "{status:?}");
    }
    let events = read_tail(&serving, TailFrom::Beginning, 30).await.unwrap();
    assert_eq!(events.events.len(), 30);
    let token = TailFrom::Token(Bytes::clone(&events.token));
    assert_eq!(read_tail(&serving, token, 0).await.unwrap().events, []);
}

/// Pseudo-random numbers that are the same in each run (splitmix64).
struct Dice(u64);

impl Dice {
    /// A number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

const KILLS: usize = 24;
/// Items of 100 kB.
const ITEMS: usize = 256;

/// Writes [`ITEMS`] items, some at a time.
async fn fill(serving: &Serving) {
    let client = keyvalue(serving).await;
    for number in 0..ITEMS / 16 {
        let item = |at: usize| ItemInput {
            key: format!("{number}-{at}").into(),
            value: vec![7; 100_000].into(),
            ..ItemInput::default()
        };
        let items = (0..16).map(item).collect();
        let (namespace, id) = ("items".to_owned(), "r".to_owned());
        client.put(PutRequest { namespace, id, items, ..PutRequest::default() }).await.unwrap();
    }
}

fn partial_files(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.file_name().unwrap().to_string_lossy().contains(".partial-")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "figures of a run by hand; a test harness keeps them otherwise")]
async fn a_backup_that_is_killed_at_any_moment_leaves_no_file_of_its_name_unless_it_is_whole() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let serving = start(folder);
    fill(&serving).await;
    let copies = folder.join("copies");
    fs::create_dir(&copies).unwrap();
    let copy = copies.join("copy.db");
    let args = [copy.to_str().unwrap(), "--config", "prism.yaml"];
    let began = Instant::now();
    assert_eq!(json(&mut backup(folder, &args))["keyvalue"]["items"], ITEMS);
    let duration = began.elapsed();
    fs::remove_file(&copy).unwrap();

    let (mut dice, mut whole, mut partial, mut nothing) = (Dice(7), 0, 0, 0);
    for kill in 0..=KILLS {
        let mut child = backup(folder, &args).spawn().unwrap();
        let micros = u64::try_from(duration.as_micros()).unwrap() * 5 / 4;
        let mut delay = Duration::from_micros(dice.below(micros));
        if kill % 3 == 0 {
            // Within the copy, however long the process took to start; the last one at its beginning.
            while partial_files(&copies).is_empty() && child.try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
            delay = if kill == KILLS { Duration::ZERO } else { delay / 8 };
        }
        std::thread::sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap();
        let left = partial_files(&copies);
        let names = fs::read_dir(&copies).unwrap().map(|entry| entry.unwrap().path());
        let others: Vec<_> = names.filter(|path| *path != copy && !left.contains(path)).collect();
        assert_eq!(others, Vec::<PathBuf>::new());
        if copy.exists() {
            whole += 1;
            let checked = json(prism(folder).args(["check", "--database", args[0]]));
            assert_eq!(
                (&checked["keyvalue"]["items"], &checked["damage"]),
                (&ITEMS.into(), &serde_json::json!([]))
            );
            fs::remove_file(&copy).unwrap();
        } else if left.is_empty() {
            nothing += 1;
        } else {
            partial += 1;
        }
        if kill < KILLS {
            for path in left {
                fs::remove_file(path).unwrap();
            }
        }
    }
    assert!(partial >= 5, "{whole} whole, {partial} partial, {nothing} nothing");
    // What an earlier one has left is in the way of nothing, and not touched.
    let left = partial_files(&copies);
    assert_ne!(left, Vec::<PathBuf>::new());
    assert_eq!(json(&mut backup(folder, &args))["keyvalue"]["items"], ITEMS);
    assert_eq!(partial_files(&copies), left);
    println!(
        "{} kills: {whole} after the end, {partial} left a partial file, {nothing} left nothing",
        KILLS + 1
    );
    drop(serving);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_interrupted_removes_what_it_has_written() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let serving = start(folder);
    fill(&serving).await;
    for signal in ["-INT", "-TERM"] {
        let mut child = backup(folder, &["copy.db", "--config", "prism.yaml"]).spawn().unwrap();
        let written =
            || partial_files(folder).iter().any(|path| fs::metadata(path).is_ok_and(|file| file.len() > 0));
        while !written() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it was interrupted");
            std::thread::yield_now();
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        refused(&child.wait_with_output().unwrap(), 1, "interrupted; there is no copy.db");
        assert!(!folder.join("copy.db").exists());
        assert_eq!(partial_files(folder), Vec::<PathBuf>::new());
    }
}

fn refused(output: &Output, code: i32, why: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", stderr(output));
    assert!(stderr(output).contains(why), "{}", stderr(output));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_backup_refuses_what_it_cannot_copy_and_where_it_cannot_write() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let mut serving = start(folder);
    serving.signal("-TERM");
    serving.wait();
    fs::write(folder.join("taken.db"), "content").unwrap();
    fs::write(folder.join("text.db"), "text ".repeat(1_000)).unwrap();
    let run_with =
        |args: &[&str], variables: &[(&str, &str)]| run(backup(folder, args).envs(variables.iter().copied()));
    let several =
        "backends: {one: {path: prism.db}, two: {type: memory}}\nnamespaces: {default_backend: one}\n";
    fs::write(folder.join("several.yaml"), several).unwrap();
    for (args, variables, code, why) in [
        (&["taken.db"][..], &[][..], 5, "taken.db' exists; a backup overwrites nothing"),
        (&["prism.db"], &[], 5, "prism.db' exists; "),
        (&["none/copy.db"], &[], 2, "its directory does not exist"),
        (&["."], &[], 2, "it is a directory; name a file in it"),
        (&["copy.db-wal"], &[], 2, "name it without -wal, -shm and -journal"),
        (&["copy.db", "--database", "none.db"], &[], 2, "none.db': there is no such file"),
        (&["copy.db", "--database", "text.db"], &[], 2, "text.db' is not a SQLite database"),
        (&["copy.db"], &[("PRISM_DATABASE_TYPE", "memory")], 2, "is in memory"),
        (&["copy.db"], &[("DATABASE_URL", "postgres://u:hunter2@h/d")], 2, "use pg_dump"),
        (&["copy.db", "--config", "several.yaml"], &[], 2, "name one with --backend: one, two"),
        (
            &["copy.db", "--config", "several.yaml", "--backend", "three"],
            &[],
            2,
            "there is no backend 'three'",
        ),
        (
            &["copy.db", "--config", "several.yaml", "--backend", "two"],
            &[],
            2,
            "the backend two is in memory",
        ),
    ] {
        let output = run_with(args, variables);
        refused(&output, code, why);
        assert!(!stderr(&output).contains("hunter2"));
        assert!(!folder.join("copy.db").exists());
    }
    assert_eq!(fs::read_to_string(folder.join("taken.db")).unwrap(), "content");
    assert_eq!(partial_files(folder), Vec::<PathBuf>::new());
    let done = run_with(&["copy.db", "--config", "several.yaml", "--backend", "one"], &[]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
}

#[test]
fn a_backup_that_the_disk_has_no_room_for_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let mut serving = start(folder);
    let url = format!("http://{}", serving.address);
    fs::write(folder.join("value"), vec![7; 1 << 20]).unwrap();
    for id in ["a", "b", "c"] {
        let put = run(prism(folder).args(["put", "n", id, "--file", "k=value", "--endpoint", &url]));
        assert_eq!(put.status.code(), Some(0), "{}", stderr(&put));
    }
    serving.signal("-TERM");
    serving.wait();
    // No file of the process may become longer than 1 MiB, which SQLite reports as a failed write.
    let script = "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\"";
    let limited = backup(folder, &["copy.db"]);
    let mut command = crate::isolated(Command::new("bash"), folder);
    command.args(["-c", script]).arg(limited.get_program()).args(limited.get_args());
    refused(&run(&mut command), 1, "no file of that name was made");
    assert!(!folder.join("copy.db").exists());
    assert_eq!(partial_files(folder), Vec::<PathBuf>::new());
    assert_eq!(run(&mut backup(folder, &["copy.db"])).status.code(), Some(0));
}
