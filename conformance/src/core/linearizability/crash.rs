//! A store that is killed while its clients write.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, join, select};

use super::{Client, Recorder, race};
use crate::core::{Abstraction, Ctx, Mode, Restart, Stop};

/// Runs `clients` clients, kills the store when `answered` of their operations have been answered, and starts it again.
/// What was under way then has no answer, or a failure for one.
pub(crate) async fn crash_under<A, W, F>(
    c: &Ctx<A>,
    recorder: &Arc<Recorder<A>>,
    clients: usize,
    answered: usize,
    work: W,
) -> Result<(), Stop>
where
    A: Abstraction,
    W: Fn(Client<A>) -> F + Send + Sync + 'static,
    F: Future<Output = ()>,
{
    {
        let stores = c.instance().gateways();
        let racing = pin!(race(recorder, &stores, clients, work));
        let enough = pin!(wait_for(recorder, answered));
        if let Either::Right(((), racing)) = select(racing, enough).await {
            match c.mode() {
                Mode::InProcess => {
                    // Nothing outlives a process that is killed: what its clients waited for is let go of first.
                    recorder.abandon();
                    racing.await;
                }
                Mode::Wire => {
                    let killed = async {
                        let killed = c.restart(Restart::Crash).await;
                        recorder.stop();
                        killed
                    };
                    let (killed, _) = join(killed, racing).await;
                    recorder.resume();
                    return killed;
                }
            }
        }
    }
    recorder.resume();
    c.restart(Restart::Crash).await
}

/// Looks often at first: a fast store answers hundreds of operations within a timer's tick.
async fn wait_for<A: Abstraction>(recorder: &Recorder<A>, answered: usize) {
    let mut looked = 0;
    while recorder.answered() < answered {
        looked += 1;
        if looked < 10_000 {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
