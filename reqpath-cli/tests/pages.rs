//! The commands that the pages of the documentation show are commands that the program takes.
#![allow(clippy::unwrap_used, reason = "a failed expectation is the message")]

use std::fs;
use std::path::Path;
use std::process::Command;

const ROAD: &str = "
request: {url: http://www.road.test/}
hops:
  - {name: client, kind: client}
  - {name: edge, kind: nginx, addresses: [192.0.2.1:80]}
  - {name: gateway, kind: nginx, addresses: [192.0.2.2:8080], sends: {}}
  - {name: nodes, kind: node, addresses: [192.0.2.3:30080, 192.0.2.4:30080], sends: {}}
  - {name: pods, kind: pod, addresses: [192.0.2.5:8080, 192.0.2.6:8080]}
dependencies:
  - {name: database, kind: db, addresses: [192.0.2.7:5432], of: pods}
";

#[test]
fn the_pages_show_commands_that_can_be_typed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("road.yaml"), ROAD).unwrap();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut typed = 0;
    for page in ["symptoms.md", "walkthrough.md"] {
        let text = fs::read_to_string(docs.join(page)).unwrap();
        // What stands in a line by itself, and what stands in the text.
        let of_lines = text.lines().filter(|line| line.starts_with("reqpath "));
        let of_text = text.split('`').filter(|part| part.starts_with("reqpath ") && !part.contains('\n'));
        for command in of_lines.chain(of_text) {
            let words = command.split(' ').skip(1);
            // Nothing is contacted.
            let mut program = Command::new(env!("CARGO_BIN_EXE_reqpath"));
            let output = program.current_dir(&folder).args(words).arg("--dry-run").output().unwrap();
            assert!(output.status.success(), "{page}: {command}: {output:?}");
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(said.contains("192.0.2.6:8080"), "{page}: {command}: {said}");
            typed += 1;
        }
    }
    assert!(typed >= 10, "{typed}");
}
