//! x

/// x
/// # Errors
/// x
pub fn all(_only: Option<&str>) -> anyhow::Result<bool> {
    Ok(false)
}
