//! The configuration file: `RawConfig` as written, `Config` as checked.
