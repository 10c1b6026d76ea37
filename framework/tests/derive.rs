//! What the derives accept and refuse: `ui/pass` compiles and runs, `ui/fail` fails with the message beside it.
//! After a change of wording: `TRYBUILD=overwrite cargo test -p pandaflow --test derive`.

#[test]
fn accepts_what_is_right_and_refuses_what_is_not() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
