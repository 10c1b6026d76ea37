//! The documents name tests that there are.

use std::{collections::BTreeSet, path::Path};

/// Every `file.rs::test` in backticks, the file relative to the project's root.
fn named(text: &str) -> BTreeSet<(String, String)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter_map(|name| name.split_once("::"))
        .filter(|(file, _)| file.ends_with(".rs"))
        .map(|(file, test)| {
            let file = match file {
                "memory_bound.rs" => format!("actors/tests/{file}"),
                file if file.contains('/') => file.to_owned(),
                file => format!("actors/tests/guarantees/{file}"),
            };
            (file, test.to_owned())
        })
        .collect()
}

#[test]
fn every_test_that_the_documents_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (document, least) in [("docs/semantics.md", 60), ("docs/guarantees.md", 20)] {
        let named = named(&std::fs::read_to_string(root.join(document)).unwrap());
        assert!(named.len() >= least, "{document} names {} tests", named.len());
        for (file, test) in named {
            let code = std::fs::read_to_string(root.join(&file)).unwrap_or_default();
            assert!(
                code.contains(&format!("fn {test}(")),
                "{document} names {file}::{test}, which isn't there"
            );
        }
    }
}
