//! The table of advice: for each error of Entra what is wrong, and what to do about it.
//!
//! The codes are those of docs/azure-devops.md §4.4, and six more that only occur with certificates
//! and token files (Microsoft Learn, "Error codes"). Placeholders: `<connect>`, `<consent>`,
//! `<authority>`, `<tenant>`, `<client>`. Microsoft's terms are used only for pages and fields that
//! the reader has to find.

use Remedy::{Administrator, Configuration, Defect, SignIn, Wait};

/// Who can resolve it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// Somebody signs in again as the service user, at `/connect/{organization}`.
    SignIn,
    /// An administrator of the tenant.
    Administrator,
    /// The operator of the gateway: in its configuration, or in the app registration.
    Configuration,
    /// Nobody: the fault passes.
    Wait,
    /// The developers of the gateway: it sends a wrong request.
    Defect,
}

/// Who acts, what is wrong, and what to do.
pub(super) type Row = (Remedy, &'static str, &'static str);

/// For errors that are in neither table.
pub(super) const UNKNOWN: Row = (
    Defect,
    "Entra refuses a request of this gateway",
    "report this as a bug of the gateway, with Entra's message",
);

const AGAIN_WITH_FACTOR: &str = "\
    open <connect> and sign in again as the service user, with the second factor";
const REGISTER_FACTOR: &str = "\
    open <connect>, sign in as the service user and register a second factor when asked";
const AGAIN_AND_EXCLUDE: &str = "\
    open <connect> and sign in again as the service user; to end this permanently, have an \
    administrator exclude the service user from the sign-in frequency policy (Entra admin \
    center, Conditional Access)";
const CHALLENGE: &str = "open <connect>, sign in as the service user and answer the challenge";
const AGAIN: &str = "open <connect> and sign in again as the service user";
const NEW_PASSWORD: &str = "\
    open <connect>, sign in as the service user and set a new password when asked";
const OTHER_ACCOUNT: &str = "\
    open <connect> in a private window and sign in with an account of tenant <tenant>; if \
    that is not your tenant, correct tenant_id in [organization.credential]";
const ACCEPT: &str = "\
    open <connect> again and accept the permissions, or have an administrator accept \
    them for all users at <consent>";
const CONSENT: &str = "\
    have an administrator open <consent> and accept, then open <connect> and sign in";
const EXCLUDE: &str = "\
    have an administrator exclude the service user from that policy (Entra admin center, \
    Conditional Access), then open <connect> and sign in";
const FIND_POLICY: &str = "\
    have an administrator find the policy (Entra admin center, Sign-in logs, the failed \
    entry, Conditional Access) and exclude the service user from it, then open <connect> \
    and sign in";
const DISMISS_RISK: &str = "\
    have an administrator dismiss the risk (Entra admin center, Risky users), register a \
    second factor from a trusted network, then open <connect> and sign in";
const ENABLE: &str = "\
    have an administrator enable it (Entra admin center, Users), then open <connect> and \
    sign in";
const UNLOCK: &str = "\
    have an administrator unblock it (Entra admin center, Users and Risky users) or wait \
    an hour, then open <connect> and sign in";
const ASSIGN: &str = "\
    have an administrator assign it (Entra admin center, Enterprise applications, \
    <client>, Users and groups), then open <connect> and sign in";
const PERMISSIONS: &str = "\
    in app registration <client>, API permissions, add Azure DevOps, Delegated, vso.pats \
    and vso.pats_manage; then have an administrator open <consent>";
const TENANT: &str = "\
    copy the Tenant ID from the Overview of the Entra admin center into tenant_id in \
    [organization.credential]";
const CLIENT: &str = "\
    correct client_id or tenant_id in [organization.credential]; if the app belongs to \
    another tenant, have an administrator consent to it at <consent>";
const SECRET_VALUE: &str = "\
    put the Value of the secret, not its Secret ID, into [organization.credential] \
    client_secret";
const NEW_SECRET: &str = "\
    create a client secret in app registration <client>, Certificates & secrets, and put it \
    into [organization.credential] client_secret; during a rotation two may be set";
const PROOF: &str = "\
    check that the client secret, certificate or token file in [organization.credential] \
    belongs to client_id <client>";
const CONFIDENTIAL: &str = "\
    in app registration <client>, Authentication, register the redirect URI under platform \
    Web and switch `Allow public client flows` off";
const WEB: &str = "\
    in app registration <client>, Authentication, remove the redirect URI from platform \
    Single-page application and add it under platform Web; then open <connect> and sign in";
const REDIRECT: &str = "\
    in app registration <client>, Authentication, add under platform Web exactly what \
    follows redirect_uri= in the address of the failed page";
const CERTIFICATE: &str = "\
    upload the certificate, without its key, to app registration <client>, Certificates & \
    secrets, and check that it has not expired";
const CLOCK: &str = "\
    correct the clock of this machine, and check that the token file is renewed";
const FEDERATION: &str = "\
    in app registration <client>, Certificates & secrets, Federated credentials, enter \
    issuer, subject and audience of the token in the token file";
const NOTHING: &str = "nothing has to be done: the gateway tries again";
const PAUSE: &str = "\
    the gateway tries again after a pause; if this recurs, look for another program that \
    uses client_id <client>";
const REPORT: &str = "\
    open <connect> and sign in again, without reloading a page on the way; if this recurs, \
    report this as a bug of the gateway";

/// By AADSTS code.
pub(super) const BY_CODE: &[(u32, Row)] = &[
    (
        50_074,
        (
            SignIn,
            "Entra demands multi-factor authentication, which only a person can complete",
            AGAIN_WITH_FACTOR,
        ),
    ),
    (
        50_076,
        (
            SignIn,
            "Entra demands multi-factor authentication after a change of policy or location",
            AGAIN_WITH_FACTOR,
        ),
    ),
    (
        50_072,
        (
            SignIn,
            "the service user has to register for multi-factor authentication first",
            REGISTER_FACTOR,
        ),
    ),
    (
        50_079,
        (
            SignIn,
            "the service user has to register for multi-factor authentication, as a policy demands",
            REGISTER_FACTOR,
        ),
    ),
    (50_078, (SignIn, "by policy, the multi-factor authentication has expired", AGAIN_AND_EXCLUDE)),
    (70_043, (SignIn, "a sign-in frequency policy has ended the refresh token", AGAIN_AND_EXCLUDE)),
    (50_158, (SignIn, "Conditional Access demands a further challenge", CHALLENGE)),
    (
        70_000,
        (
            SignIn,
            "the refresh token or sign-in code is not valid: it is damaged, was revoked, or \
             belongs to another app",
            AGAIN,
        ),
    ),
    (70_008, (SignIn, "the refresh token or sign-in code has expired", AGAIN)),
    (700_082, (SignIn, "the refresh token has not been used for 90 days and has expired", AGAIN)),
    (50_089, (SignIn, "the sign-in took too long", AGAIN)),
    (50_132, (SignIn, "the session has ended: the password has expired or was changed", AGAIN)),
    (
        50_133,
        (SignIn, "the session has ended: the password has expired or was changed recently", AGAIN),
    ),
    (
        50_173,
        (
            SignIn,
            "the grant was revoked: sessions were ended, or an administrator reset the password",
            AGAIN,
        ),
    ),
    (50_055, (SignIn, "the password of the service user has expired", NEW_PASSWORD)),
    (
        16_000,
        (SignIn, "the account that is signed in does not exist in tenant <tenant>", OTHER_ACCOUNT),
    ),
    (50_020, (SignIn, "the account belongs to another tenant than <tenant>", OTHER_ACCOUNT)),
    (50_034, (SignIn, "there is no such account in tenant <tenant>", OTHER_ACCOUNT)),
    (51_004, (SignIn, "the account is not in the directory of tenant <tenant>", OTHER_ACCOUNT)),
    (
        500_208,
        (
            SignIn,
            "this is a personal Microsoft account, and Azure DevOps needs a work account",
            OTHER_ACCOUNT,
        ),
    ),
    (65_004, (SignIn, "the person who signed in declined the permissions", ACCEPT)),
    (65_001, (Administrator, "nobody has consented to the permissions of the app", CONSENT)),
    (
        90_094,
        (
            Administrator,
            "in this tenant only an administrator may consent to the permissions of the app",
            CONSENT,
        ),
    ),
    (50_097, (Administrator, "Conditional Access demands that the device authenticates", EXCLUDE)),
    (
        50_129,
        (
            Administrator,
            "Conditional Access demands a device that is joined to the workplace",
            EXCLUDE,
        ),
    ),
    (53_000, (Administrator, "Conditional Access demands a compliant device", EXCLUDE)),
    (53_001, (Administrator, "Conditional Access demands a domain-joined device", EXCLUDE)),
    (53_002, (Administrator, "Conditional Access admits approved applications only", EXCLUDE)),
    (
        50_131,
        (
            Administrator,
            "Conditional Access blocks the sign-in because of the device, the location or \
             suspicious activity",
            FIND_POLICY,
        ),
    ),
    (53_003, (Administrator, "Conditional Access blocks the sign-in", FIND_POLICY)),
    (
        53_004,
        (
            Administrator,
            "Entra rates the service user as a risk and does not let it register a second factor",
            DISMISS_RISK,
        ),
    ),
    (50_057, (Administrator, "the service user is disabled", ENABLE)),
    (
        50_053,
        (
            Administrator,
            "the service user is locked: too many wrong passwords, or a suspicious IP address",
            UNLOCK,
        ),
    ),
    (50_105, (Administrator, "the service user is not assigned to the app", ASSIGN)),
    (
        65_005,
        (Configuration, "the app registration does not list a requested permission", PERMISSIONS),
    ),
    (650_056, (Configuration, "the app registration lists no permissions", PERMISSIONS)),
    (
        650_057,
        (
            Configuration,
            "the app registration does not list Azure DevOps among its permissions",
            PERMISSIONS,
        ),
    ),
    (90_002, (Configuration, "there is no tenant <tenant> at <authority>", TENANT)),
    (700_011, (Configuration, "the app <client> has no consent in tenant <tenant>", CLIENT)),
    (700_016, (Configuration, "there is no app <client> in tenant <tenant>", CLIENT)),
    (7_000_215, (Configuration, "the client secret is wrong", SECRET_VALUE)),
    (7_000_222, (Configuration, "the client secret has expired", NEW_SECRET)),
    (
        70_002,
        (
            Configuration,
            "Entra does not accept the secret, certificate or token file of the app",
            PROOF,
        ),
    ),
    (
        700_025,
        (
            Configuration,
            "the app is registered as a public client, which must not have a secret",
            CONFIDENTIAL,
        ),
    ),
    (
        700_084,
        (
            Configuration,
            "the refresh token ended after 24 hours, because the redirect URI is registered for \
             a single-page application",
            WEB,
        ),
    ),
    (50_011, (Configuration, "the callback address of this gateway is not registered", REDIRECT)),
    (
        700_027,
        (
            Configuration,
            "the certificate that signs for the app is not registered or has expired",
            CERTIFICATE,
        ),
    ),
    (
        700_024,
        (
            Configuration,
            "the token or assertion of the app has expired, or is dated in the future",
            CLOCK,
        ),
    ),
    (70_021, (Configuration, "the app does not trust the token file", FEDERATION)),
    (700_211, (Configuration, "the app does not trust the issuer of the token file", FEDERATION)),
    (700_212, (Configuration, "the app does not trust the audience of the token file", FEDERATION)),
    (700_213, (Configuration, "the app does not trust the subject of the token file", FEDERATION)),
    (40_010, (Wait, "Entra has a transient fault and asks for another attempt", NOTHING)),
    (50_033, (Wait, "Entra has a transient fault", NOTHING)),
    (50_087, (Wait, "Entra has a transient fault in multi-factor authentication", NOTHING)),
    (
        50_088,
        (Wait, "Entra has reached its limit of calls for multi-factor authentication", NOTHING),
    ),
    (90_033, (Wait, "Entra is not available at the moment", NOTHING)),
    (
        50_196,
        (Wait, "Entra has detected that this app requests tokens in a loop, and blocks it", PAUSE),
    ),
    (54_005, (Defect, "the sign-in code was already redeemed", REPORT)),
    (
        501_481,
        (Defect, "the sign-in code belongs to another sign-in (its PKCE verifier differs)", REPORT),
    ),
];

/// By OAuth error (RFC 6749 §4.1.2.1 and §5.2, OpenID Connect Core §3.1.2.6), for other codes.
pub(super) const BY_ERROR: &[(&str, Row)] = &[
    (
        "access_denied",
        (SignIn, "the sign-in was cancelled, or the permissions were declined", ACCEPT),
    ),
    (
        "consent_required",
        (Administrator, "nobody has consented to the permissions of the app", CONSENT),
    ),
    ("interaction_required", (SignIn, "Entra demands that a person signs in", AGAIN)),
    ("invalid_client", (Configuration, "Entra does not accept the app or its secret", PROOF)),
    ("invalid_grant", (SignIn, "the grant is no longer valid", AGAIN)),
    (
        "invalid_resource",
        (Configuration, "the app may not request access to Azure DevOps", PERMISSIONS),
    ),
    (
        "invalid_scope",
        (Configuration, "the app may not request one of the permissions", PERMISSIONS),
    ),
    ("login_required", (SignIn, "no account is signed in", AGAIN)),
    ("server_error", (Wait, "Entra has a fault", NOTHING)),
    ("temporarily_unavailable", (Wait, "Entra is not available at the moment", NOTHING)),
    (
        "unauthorized_client",
        (Configuration, "Entra does not let the app use this kind of request", PROOF),
    ),
];
