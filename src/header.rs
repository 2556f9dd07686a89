//! Header names used in more than one place.

use http::HeaderName;

/// The caller's id in, ours out.
pub const X_OPENSTACK_REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");
/// The same id under its older name, which some clients read.
pub const OPENSTACK_REQUEST_ID: HeaderName = HeaderName::from_static("openstack-request-id");
/// The lowest microversion that the service knows.
pub const X_OPENSTACK_IRONIC_API_MINIMUM_VERSION: HeaderName =
    HeaderName::from_static("x-openstack-ironic-api-minimum-version");
/// The highest one.
pub const X_OPENSTACK_IRONIC_API_MAXIMUM_VERSION: HeaderName =
    HeaderName::from_static("x-openstack-ironic-api-maximum-version");
/// The rule that would have denied the request, were it not in shadow: for callers that a policy lets see it.
pub const IRONGATE_WOULD_DENY: HeaderName = HeaderName::from_static("irongate-would-deny");
/// A Keystone token.
pub const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
/// A service's own Keystone token beside the user's.
pub const X_SERVICE_TOKEN: HeaderName = HeaderName::from_static("x-service-token");
