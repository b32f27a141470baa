//! The hub's way to the rooms: one connection to the broker for each organisation.
//!
//! One for each, since a will (`_hub/state: lost`) belongs to one connection and each organisation's rooms look at
//! their own. The client library stands behind [`mqtt`] alone.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;

pub mod mqtt;
pub mod tls;

/// How the broker is reached.
#[derive(Debug, Clone)]
pub enum Reach {
    /// The hub's own broker.
    Socket(PathBuf),
    /// A broker on this machine, without encryption.
    Plain {
        /// Host.
        host: String,
        /// Port.
        port: u16,
    },
    /// A broker with TLS and a client certificate.
    Tls {
        /// Host, as it stands in the broker's certificate.
        host: String,
        /// Port.
        port: u16,
        /// Whom we trust and who we are.
        config: Arc<ClientConfig>,
    },
}
