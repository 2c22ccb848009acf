//! A crash of the store while its clients write.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, join, select};

use super::{Client, Recorder, race};
use crate::core::{Abstraction, Ctx, Mode, Restart, Stop};

/// Runs `clients` clients, kills the store after `answered` operations have been answered, and starts it again. Operations
/// in flight at the crash get no response, or a failure.
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
                    // Nothing outlives a killed process, so operations in flight are abandoned first.
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

/// Polls often at first: a fast store answers hundreds of operations within a timer tick.
async fn wait_for<A: Abstraction>(recorder: &Recorder<A>, answered: usize) {
    let mut polls = 0;
    while recorder.answered() < answered {
        polls += 1;
        if polls < 10_000 {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
