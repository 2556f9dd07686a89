//! What this program is: the version of `Cargo.toml`, and the revision that it was built from (`build.rs`).

/// The version, as in `Cargo.toml`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit, shortened; `-changed` behind it if files were changed since. `development` for builds without optimisation.
pub const REVISION: &str = env!("IRONGATE_REVISION");
/// Both, as `irongate --version` tells them.
pub const FULL: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("IRONGATE_REVISION"), ")");
