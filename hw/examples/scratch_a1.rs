//! scratch
use bridgepoint_hw::{link::Edge, probe, dialect::{codec::CodecDriver, camera::{CameraJob, PresetNumber}}};
use std::time::{Duration, Instant};
#[allow(clippy::disallowed_methods)]
fn clock() -> Instant { Instant::now() }
#[tokio::main]
async fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (_tx, cancel) = tokio::sync::watch::channel(false);
    let edge = Edge { clock, deadline: clock() + Duration::from_secs(a[3].parse().unwrap()), cap_bytes: 1 << 20, cancel };
    let t = clock();
    match a[1].as_str() {
        "ups" => println!("{:#?}", probe::ups(&a[2].parse().unwrap(), &edge).await),
        "codec" => println!("{:#?}", probe::codec(CodecDriver::Cisco, &a[2].parse().unwrap(), None, &edge).await),
        "camera" => println!("{:#?}", probe::camera(&a[2].parse().unwrap(), &CameraJob::visiting(a[4..].iter().map(|n| PresetNumber::try_from(n.parse::<u8>().unwrap()).unwrap()).collect()), &edge).await),
        _ => println!("{:?}", probe::device(&a[2].parse().unwrap(), &edge).await),
    }
    println!("took {:?}", t.elapsed());
}
