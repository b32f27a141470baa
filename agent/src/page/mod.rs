//! The local page.
use std::sync::Arc;
pub(crate) async fn serve(listener: tokio::net::TcpListener, front: Arc<crate::front::Front>) {
    let _ = (listener, front);
    std::future::pending::<()>().await;
}
