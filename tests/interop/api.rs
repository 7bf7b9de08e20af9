//! The JSON API against its own OpenAPI document, by schemathesis: questions that the document
//! allows and questions that it forbids, and whether the answers are what it says.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rs_tests::support::irrd::cache;
use rs_tests::support::netns::{Host, Lan};
use rs_tests::support::process::output;

use crate::looking_glass::Demo;

/// The version that `test.sh` installs.
const VERSION: &str = "4.32.5";
const DOCUMENT: &str = "http://127.0.0.1:9180/api/v1/openapi.json";
/// Questions of each kind for each path.
const EXAMPLES: &str = "25";

/// `/routes` refuses parameters that contradict each other, which OpenAPI has no words for.
const CONTRADICTIONS: &str = r#"
    [[operations]]
    include-path = "/routes"
    [operations.checks]
    positive_data_acceptance = { expected-statuses = ["2xx", "3xx", 400, 404, 409, 429, 503] }
"#;

fn schemathesis(host: &Host, parameters: &str) -> String {
    let program: PathBuf = cache().join(format!("schemathesis-{VERSION}/bin/schemathesis"));
    assert!(
        program.exists(),
        "schemathesis {VERSION} is not in {}: ./test.sh packages installs it",
        program.display()
    );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("schemathesis.toml");
    fs::write(&file, format!("request-timeout = 60\n{parameters}\n{CONTRADICTIONS}")).unwrap();
    let mut command: Command = host.command(&program.to_string_lossy());
    command.current_dir(directory.path()).arg("--config-file").arg(&file).args([
        "--no-color",
        "run",
        DOCUMENT,
        "--checks",
        "all",
        "--phases",
        "examples,coverage,fuzzing",
        "--max-examples",
        EXAMPLES,
        "--generation-deterministic",
    ]);
    output(&mut command).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_api_is_what_its_document_says() {
    let mut lan = Lan::new();
    let host = lan.host();
    let _demo = Demo::start(&host);
    // Names that nobody has, mostly; then names that there are.
    for parameters in [
        "",
        "[parameters]\n\"query.rs\" = \"rs1\"\n\"query.peer\" = \"127.100.1.90\"\n\
         \"query.from\" = \"127.100.1.90\"\n\"query.to\" = \"AS1000010\"\n\
         \"query.prefix\" = \"62.199.0.0/22\"\n",
    ] {
        let said = schemathesis(&host, parameters);
        // All but the document itself; it ends with success where it could load nothing, too.
        assert!(said.contains("Operations:       10 selected / 10 total"), "{said}");
        let cases = said.lines().find(|line| line.contains("generated,")).unwrap_or_default();
        assert!(cases.contains("passed") && !cases.contains("failed"), "{said}");
        println!("{}", cases.trim());
    }
}
