use super::document::judge;
use super::rows::{Goal, Measure};
use super::*;
use crate::report::Summary;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn published() -> Document {
    Document::read(&repository().join("docs/performance.json")).unwrap()
}

#[test]
fn the_page_says_what_its_json_says() {
    let page = std::fs::read_to_string(repository().join("docs/performance.md")).unwrap();
    assert_eq!(page, page::render(&published()), "run: rs-lab page --page docs/performance.md");
}

#[test]
fn the_readme_says_what_the_page_says() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let written = page::with_block(&readme, &page::readme_block(&published()));
    assert_eq!(
        Some(readme),
        written,
        "run: rs-lab page --page docs/performance.md --readme README.md"
    );
}

#[test]
fn every_row_that_is_published_is_a_row() {
    for results in published().rows {
        assert!(rows::all().iter().any(|row| row.id == results.id), "{}", results.id);
    }
}

#[test]
fn ids_are_unique() {
    for row in rows::all() {
        assert_eq!(rows::all().iter().filter(|r| r.id == row.id).count(), 1, "{}", row.id);
    }
}

fn summary(daemon: &str, cpu_secs: f64) -> Summary {
    Summary { daemon: daemon.to_owned(), runs: 1, cpu_secs, ..Summary::default() }
}

fn results(ours: f64, birds: f64) -> RowResults {
    RowResults { id: String::new(), daemons: vec![summary("us", ours), summary("bird2", birds)] }
}

#[test]
fn a_ratio_is_met_up_to_its_limit() {
    let goal = Goal::Ratio(Measure::Cpu, Which::Bird, 0.1);
    assert!(judge(goal, &results(1.0, 10.0)).unwrap().met);
    assert!(!judge(goal, &results(1.1, 10.0)).unwrap().met);
}

#[test]
fn what_was_not_measured_is_no_success() {
    let goal = Goal::Ratio(Measure::Cpu, Which::Openbgpd, 0.1);
    assert!(judge(goal, &results(1.0, 10.0)).is_none());
    let mut failed = results(1.0, 10.0);
    failed.daemons[0].failed = 1;
    assert!(judge(Goal::AtMost(Measure::Cpu, 2.0), &failed).is_none());
}

#[test]
fn a_suite_goes_on_behind_the_runs_that_an_earlier_one_finished() {
    use clap::Parser as _;
    let out = tempfile::tempdir().unwrap();
    let mut options = Options::parse_from(["rs-lab", "suite", "--repeat", "2"]);
    options.out = out.path().to_owned();
    let row = &rows::all()[0];
    let run = |error: Option<&str>| Outcome {
        daemon: "us".to_owned(),
        error: error.map(str::to_owned),
        ..Outcome::default()
    };
    let mut part = Part::load(row, &options);
    assert!(part.runs.is_empty());
    part.runs = vec![run(None), run(None), run(Some("not converged")), run(None)];
    part.save(row, &options).unwrap();
    assert_eq!(Part::load(row, &options).runs.len(), 2, "what failed is run again");
    options.limit += 1;
    assert!(Part::load(row, &options).runs.is_empty(), "the row asks for something else");
    options.limit -= 1;
    options.fresh = true;
    assert!(Part::load(row, &options).runs.is_empty());
}
