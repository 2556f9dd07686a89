//! stub
use super::ScrubRules;
/// Whose fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultCode {
    /// The client's.
    Client,
    /// The server's.
    Server,
}
/// Text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorText {
    /// Fault.
    pub faultcode: FaultCode,
    /// Text.
    pub faultstring: String,
}
/// Stub.
pub fn rebuild(_status: u16, _content_type: Option<&str>, _body: &[u8], _rules: &ScrubRules) -> ErrorText {
    ErrorText { faultcode: FaultCode::Client, faultstring: String::new() }
}
