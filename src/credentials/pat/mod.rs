//! Personal access tokens (PATs): minted for one call, consumed by it, and revoked after it.
//!
//! `mint` asks Azure DevOps for a PAT of the linked service user; `token` is the PAT itself, whose
//! drop hands it to `revoke`; `pool` holds PATs that were minted ahead; `sweep` finds PATs that a
//! crash or a lost answer left behind; `serials` knows which PATs are not left behind. Three kinds
//! of [`Source`](super::Source) use them: `single_use`, `window` and `static_pat`.

mod mint;
mod pool;
mod revoke;
mod serials;
mod single_use;
mod static_pat;
mod sweep;
mod token;
mod window;

pub(super) use mint::Minter;
pub(super) use single_use::SingleUsePats;
pub(super) use static_pat::StaticPat;
pub(super) use window::WindowPats;
