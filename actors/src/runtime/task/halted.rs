//! A task whose processor has halted: it begins nothing and takes nothing in, settles what has ended, and says so.

use pandaflow::StreamProcessor;

use super::Task;
use crate::runtime::env::Env;

impl<P: StreamProcessor> Task<P> {
    /// If the processor has halted, tells health why. Again each time: another task that halted with it may have ended since.
    #[cold]
    pub(super) fn tell_halt(&mut self) {
        if let Some(reason) = self.env.halt.reason() {
            let who = format!("{}.{}", self.env.scope.namespace, Env::<P>::DECLARATION.name);
            let component = format!("dead-letter budget of {who}");
            self.halted.get_or_insert_with(|| self.env.trouble(&component)).tell(&reason);
        }
    }
}
