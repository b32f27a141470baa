//! A TCP listener that can be shut and opened again while the room runs, at the same port.
//!
//! Shutting takes effect before the call returns: the next connection attempt is refused, as if the
//! device had been switched off.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

/// The listener behind it is only borrowed for the length of a poll, so that it can be dropped at
/// any time from anywhere.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    runtime: Handle,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    listener: Option<TcpListener>,
    waiting: Option<Waker>,
}

impl Door {
    /// Opens a door at `listen`; port 0 takes any free one, which is then kept.
    ///
    /// # Errors
    /// When nothing can listen there.
    pub(crate) fn open_at(listen: SocketAddr) -> io::Result<Self> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let listener = bind(listen)?;
        let address = listener.local_addr()?;
        Ok(Self {
            address,
            runtime,
            state: Mutex::new(State {
                listener: Some(listener),
                waiting: None,
            }),
        })
    }

    /// Where it listens, or did before it was shut.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Shuts it. Connections that were accepted are the business of who accepted them.
    pub(crate) fn shut(&self) {
        self.state().listener = None;
    }

    /// Opens it again at the same port; does nothing when it is open.
    ///
    /// # Errors
    /// When something else has taken the port meanwhile.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.listener.is_none() {
            let _inside = self.runtime.enter();
            state.listener = Some(bind(self.address)?);
            if let Some(waker) = state.waiting.take() {
                waker.wake();
            }
        }
        Ok(())
    }

    /// The next connection; waits while the door is shut. Cancel safe.
    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|context| {
            let mut state = self.state();
            match &state.listener {
                Some(listener) => {
                    let polled = listener.poll_accept(context);
                    if polled.is_pending() {
                        // Needed as well: after shutting, the listener wakes nobody any more.
                        state.waiting = Some(context.waker().clone());
                    }
                    polled
                }
                None => {
                    state.waiting = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Binding with the standard library is immediate and lets the port be taken again at once.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_shut_door_refuses_and_an_open_one_accepts_at_the_same_port() {
        let door = Arc::new(Door::open_at("127.0.0.1:0".parse().unwrap()).unwrap());
        let accepting = tokio::spawn({
            let door = Arc::clone(&door);
            async move { door.accept().await.unwrap().1 }
        });
        // Let it wait on the listener that is about to go.
        tokio::task::yield_now().await;
        door.shut();
        let refused = TcpStream::connect(door.address()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        door.reopen().unwrap();
        let client = TcpStream::connect(door.address()).await.unwrap();
        assert_eq!(accepting.await.unwrap(), client.local_addr().unwrap());
    }
}
