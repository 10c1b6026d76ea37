//! The greeter under test: in process, on the test's clock.

use pandaflow_actors::{Program, testkit::TestKit};

use super::{Greeted, Greeter, NameGiven};

#[actix::test]
async fn each_name_is_greeted_once() {
    let mut kit = TestKit::start(Program::new().processor(|| Greeter)).await;
    kit.send("names.given", NameGiven("Ada".into()));
    kit.send("names.given", NameGiven("Grace".into()));
    kit.run_until_idle().await;
    let mut greetings: Vec<_> =
        kit.events::<Greeted>("greetings.sent").into_iter().map(|event| event.data.0).collect();
    greetings.sort();
    assert_eq!(greetings, ["Hello, Ada!", "Hello, Grace!"]);
}
