//! Gates: hold answers back until the test lets them go.

use tokio::sync::watch;

/// Shut at first. Answers that wait behind it go when it is opened, and later ones at once. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate {
    open: watch::Sender<bool>,
}

impl Gate {
    /// A gate that is shut.
    #[must_use]
    pub fn shut() -> Self {
        Self { open: watch::Sender::new(false) }
    }

    /// Opens it for good.
    pub fn release(&self) {
        self.open.send_replace(true);
    }

    /// Waits until it is open.
    pub async fn passed(&self) {
        // It can't fail: this gate is a sender.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}
