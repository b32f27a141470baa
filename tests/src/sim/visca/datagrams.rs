//! A camera on UDP: one datagram in, its replies out, each to whom it concerns.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use socket2::SockRef;
use tokio::net::UdpSocket;

use super::camera::Outgoing;
use super::{Setting, ViscaCamera, Wire, until};
use crate::journal::{Journal, Kind};
use crate::sim::clock::Clock;
use crate::sim::random::Random;
use crate::sim::spec;

/// The socket and its camera.
pub(crate) struct Datagrams {
    socket: UdpSocket,
    camera: Arc<ViscaCamera>,
    clock: Clock,
    journal: Journal,
    seed: u64,
}

impl Datagrams {
    /// Opens the camera's port.
    ///
    /// # Errors
    /// A sentence that names the key of the room's file or the address that is at fault.
    pub(super) async fn open(spec: &spec::Camera, setting: &Setting<'_>) -> Result<Self, String> {
        let cannot = |why: io::Error| {
            format!(
                "[[camera]] {}: listen = \"{}\": cannot listen there: {why}",
                spec.id, spec.listen
            )
        };
        let socket = UdpSocket::bind(spec.listen).await.map_err(cannot)?;
        let address = format!("visca+udp://{}", socket.local_addr().map_err(cannot)?);
        if spec.shares_port {
            // Once the port is this camera's, so that no other one can be given it as a free port.
            SockRef::from(&socket).set_reuse_address(true).map_err(cannot)?;
        }
        Ok(Self {
            socket,
            camera: Arc::new(ViscaCamera::new(spec, address, Arc::default())?),
            clock: setting.clock.clone(),
            journal: setting.journal.clone(),
            seed: setting.room.seed,
        })
    }

    /// Its camera.
    pub(super) fn camera(&self) -> &Arc<ViscaCamera> {
        &self.camera
    }

    /// Serves datagrams until it is dropped.
    pub(super) async fn serve(self) {
        let camera = &self.camera;
        let mut wire = Wire::new(Random::new(self.seed, camera.device()));
        let mut received = [0_u8; 2048];
        loop {
            let due = camera.camera().due();
            tokio::select! {
                datagram = self.socket.recv_from(&mut received) => {
                    // An error on UDP tells of an earlier datagram that found nobody.
                    let Ok((length, peer)) = datagram else { continue };
                    let bytes = received.get(..length).unwrap_or_default();
                    let peer = peer.to_string();
                    self.journal.received(camera.device(), &peer, 0, bytes);
                    let faults = camera.switches.now();
                    let now = self.clock.elapsed();
                    let outgoing = camera.camera().receive(bytes, &peer, now, &faults);
                    wire.take(outgoing, now, &faults);
                }
                () = until(&self.clock, due) => {
                    let now = self.clock.elapsed();
                    let outgoing = camera.camera().completions(now);
                    wire.take(outgoing, now, &camera.switches.now());
                }
                () = until(&self.clock, wire.due()) => {}
            }
            while let Some(outgoing) = wire.next(self.clock.elapsed()) {
                self.send(&outgoing).await;
            }
        }
    }

    async fn send(&self, outgoing: &Outgoing) {
        if outgoing.position {
            self.journal.record(
                self.camera.device(),
                &outgoing.peer,
                0,
                Kind::Reported,
                &outgoing.bytes,
            );
        }
        if let Ok(peer) = outgoing.peer.parse::<SocketAddr>() {
            // A client that has gone is no business of the camera's.
            let _sent: io::Result<usize> = self.socket.send_to(&outgoing.bytes, peer).await;
        }
    }
}
