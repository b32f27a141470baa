//! Certificates for the tests, made with the system's openssl, and rooms that connect with them.

use std::path::Path;
use std::process::{Command, Stdio};

use rumqttc::{TlsConfiguration, Transport};

use super::Hub;
use super::room::Room;

/// Makes an authority and certificates with the system's openssl.
pub fn certificates(dir: &Path, names: &[&str]) {
    let openssl = |args: &str| {
        let done = Command::new("openssl")
            .args(args.split(' '))
            .current_dir(dir)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{args}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    };
    for ca in ["ca", "wrong-ca"] {
        openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout {ca}.key -out {ca}.pem -subj /CN={ca}"
        ));
    }
    std::fs::write(dir.join("san"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    for name in names {
        openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out {name}.pem"
        ));
    }
    openssl(
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout liar.key -out liar.csr -subj /CN=abc.one",
    );
    openssl(
        "x509 -req -in liar.csr -CA wrong-ca.pem -CAkey wrong-ca.key -CAcreateserial -days 2 -extfile san -out liar.pem",
    );
}

pub fn with_certificate(room: &Room, hub: &Hub, dir: &Path, name: &str) -> rumqttc::v5::MqttOptions {
    let files = bridgepoint_hub::config::Certificates {
        ca: dir.join("ca.pem"),
        cert: dir.join(format!("{name}.pem")),
        key: dir.join(format!("{name}.key")),
    };
    let config = bridgepoint_hub::uplink::tls::client(&files).unwrap();
    let mut options = room.options(hub);
    options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(config)));
    options
}
