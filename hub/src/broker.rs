//! The hub's own mosquitto: written, started, watched and ended by the hub, so that a province needs no broker of
//! its own and a demonstration needs nothing at all.
//!
//! [`conf`] is what it is told (pure), [`child`] is the process. It dies with the hub.

use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use bridgepoint_protocol::name::RoomAddress;
use tokio::sync::watch;

use crate::config::Certificates;
use crate::file;
use crate::say::{Trouble, both};

pub mod child;
pub mod conf;

/// Ports that are tried when any free one will do: another program can take one between choosing and using it.
const PORT_TRIES: u32 = 5;

/// Longest path that fits the address of a unix socket, with room for its end.
const LONGEST_SOCKET_PATH: usize = 100;

/// A running broker.
#[derive(Debug)]
pub struct OwnBroker {
    child: child::Child,
    dir: PathBuf,
    listen: SocketAddr,
    tls: bool,
}

impl OwnBroker {
    /// Writes its files into `<state>/broker`, starts it, and waits until it listens.
    ///
    /// `access` are the rooms that may use it; when they change, it is told.
    ///
    /// # Errors
    /// [`Trouble`]: not installed, port in use, certificates that cannot be read, directory that cannot be written.
    pub async fn start(
        state: &Path,
        listen: SocketAddr,
        tls: Option<&Certificates>,
        access: watch::Receiver<BTreeSet<RoomAddress>>,
    ) -> Result<Self, Trouble> {
        let dir = state.join("broker");
        file::private_dir(&dir).map_err(|e| unwritable(&dir, &e))?;
        // Mosquitto is started in its directory and given absolute names elsewhere.
        let dir = dir.canonicalize().map_err(|e| unwritable(&dir, &e))?;
        if let Some(tls) = tls {
            readable(tls)?;
        }
        let program = child::find("mosquitto").ok_or_else(|| {
            Trouble::internal(both(
                "Chưa cài mosquitto. Chạy: apt install mosquitto (rồi: systemctl disable --now mosquitto), hoặc đặt [broker] address = \"mqtts://…\".",
                "mosquitto is not installed. Run: apt install mosquitto (then: systemctl disable --now mosquitto), or set [broker] address = \"mqtts://…\".",
            ))
        })?;
        child::end_leftover(&dir).await;
        let mut tries = 0;
        loop {
            tries += 1;
            let listen = if listen.port() == 0 {
                free_port(listen)?
            } else {
                listen
            };
            let files = conf::Files {
                dir: &dir,
                listen,
                tls,
                as_root: rustix::process::geteuid().is_root(),
            };
            file::replace(&dir.join(conf::CONF), conf::conf(&files).as_bytes())
                .map_err(|e| unwritable(&dir, &e))?;
            file::replace(&dir.join(conf::HUB_ACL), conf::HUB_RULES.as_bytes())
                .map_err(|e| unwritable(&dir, &e))?;
            match child::Child::start(&program, &dir, access.clone()).await {
                Ok(child) => {
                    let broker = Self {
                        child,
                        dir,
                        listen,
                        tls: tls.is_some(),
                    };
                    file::replace(
                        &broker.dir.join("address"),
                        format!("{}\n", broker.address()).as_bytes(),
                    )
                    .map_err(|e| unwritable(&broker.dir, &e))?;
                    return Ok(broker);
                }
                Err(said) if said.contains("in use") && tries < PORT_TRIES && files.listen != listen => {}
                Err(said) if said.contains("in use") => return Err(port_in_use(files.listen)),
                Err(said) => {
                    return Err(Trouble::internal(both(
                        format!(
                            "mosquitto không chạy được: {said}. Xem {}.",
                            dir.join(conf::CONF).display()
                        ),
                        format!(
                            "mosquitto does not start: {said}. See {}.",
                            dir.join(conf::CONF).display()
                        ),
                    )));
                }
            }
        }
    }

    /// Where rooms connect.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}://{}", if self.tls { "mqtts" } else { "mqtt" }, self.listen)
    }

    /// Where the hub connects: a socket in a directory that only its user can enter.
    ///
    /// # Errors
    /// [`Trouble`] when the directory cannot be opened.
    pub fn socket(&self) -> Result<SocketPath, Trouble> {
        let path = self.dir.join(conf::HUB_SOCKET);
        if path.as_os_str().len() <= LONGEST_SOCKET_PATH {
            return Ok(SocketPath { path, _dir: None });
        }
        // A longer path does not fit into a socket's address; through the open directory it does.
        let dir = std::fs::File::open(&self.dir).map_err(|e| unwritable(&self.dir, &e))?;
        let fd = std::os::fd::AsRawFd::as_raw_fd(&dir);
        Ok(SocketPath {
            path: format!("/proc/self/fd/{fd}/{}", conf::HUB_SOCKET).into(),
            _dir: Some(dir),
        })
    }

    /// Ends it, and waits until it has ended.
    pub async fn stop(self) {
        self.child.stop().await;
    }
}

/// The path of the hub's socket, usable while this lives.
#[derive(Debug)]
pub struct SocketPath {
    /// The path.
    pub path: PathBuf,
    _dir: Option<std::fs::File>,
}

fn free_port(listen: SocketAddr) -> Result<SocketAddr, Trouble> {
    TcpListener::bind(listen)
        .and_then(|socket| socket.local_addr())
        .map_err(|e| {
            Trouble::internal(both(
                format!("Không mở được cổng nào trên {}: {e}.", listen.ip()),
                format!("No port can be opened on {}: {e}.", listen.ip()),
            ))
        })
}

fn port_in_use(listen: SocketAddr) -> Trouble {
    Trouble::internal(both(
        format!(
            "Địa chỉ {listen} đang được chương trình khác dùng (có thể là mosquitto của hệ thống: systemctl disable --now mosquitto). Dừng chương trình đó hoặc đổi [broker] listen."
        ),
        format!(
            "The address {listen} is in use (perhaps by the system's own mosquitto: systemctl disable --now mosquitto). Stop that program or change [broker] listen."
        ),
    ))
}

fn readable(tls: &Certificates) -> Result<(), Trouble> {
    for (key, path) in [
        ("ca_file", &tls.ca),
        ("cert_file", &tls.cert),
        ("key_file", &tls.key),
    ] {
        std::fs::File::open(path).map_err(|e| {
            let shown = path.display();
            Trouble::config(both(
                format!("[broker] {key} = {shown}: không đọc được ({e}). Sửa đường dẫn hoặc quyền của tệp."),
                format!("[broker] {key} = {shown} cannot be read ({e}). Correct the path or the file's permissions."),
            ))
        })?;
    }
    Ok(())
}

fn unwritable(path: &Path, e: &io::Error) -> Trouble {
    let shown = path.display();
    Trouble::internal(both(
        format!(
            "Không ghi được {shown}: {e}. Kiểm tra quyền và chỗ trống, hoặc chọn thư mục khác bằng --state."
        ),
        format!(
            "{shown} cannot be written: {e}. Check permissions and free space, or choose another directory with --state."
        ),
    ))
}
