//! How long to wait before the next try.

use std::time::Duration;

/// Doubles from try to try, up to a limit, with jitter so that clients do not come back together.
pub struct Backoff {
    next: Duration,
    limit: Duration,
}

impl Backoff {
    /// Begins at `first` and stays under `limit`.
    pub fn new(first: Duration, limit: Duration) -> Self {
        Self { next: first, limit }
    }

    /// Waits: between half and all of the present step.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
        self.next = (self.next * 2).min(self.limit);
    }
}
