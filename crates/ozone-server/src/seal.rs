//! Reasoning that travels with the client (`encrypted_content`): sealed by us, opened by us, and
//! unreadable and unchangeable on its way.
//!
//! XChaCha20-Poly1305. The token names its key, so keys can be rotated; tenant and model are
//! authenticated with it, so that it opens only for who it was made for. The nonce is derived from
//! what is sealed (as in SIV modes), so that the same item is the same bytes in every replay, and no
//! nonce meets two texts.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

/// Marks the format's version.
const PREFIX: &str = "oz1.";
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;

/// A key of the operator's.
#[derive(Clone)]
pub struct SealingKey([u8; 32]);

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl SealingKey {
    pub fn new(bytes: [u8; 32]) -> Self {
        SealingKey(bytes)
    }

    /// From a passphrase or any other text of the operator's.
    pub fn from_text(text: &str) -> Self {
        SealingKey(derive(b"ozone sealing key", text.as_bytes(), &[]))
    }

    fn id(&self) -> [u8; KEY_ID_BYTES] {
        let digest = derive(b"ozone sealing key id", &self.0, &[]);
        std::array::from_fn(|i| digest[i])
    }
}

fn derive(label: &[u8], key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [label, key].iter().chain(parts) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the encrypted content could not be verified: it was changed, or made for somebody else")]
pub struct NotSealedHere;

/// Seals with the first key and opens with any.
#[derive(Debug, Clone)]
pub(crate) struct Sealer {
    keys: Vec<SealingKey>,
}

impl Sealer {
    /// `keys` must not be empty.
    pub fn new(keys: Vec<SealingKey>) -> Self {
        assert!(!keys.is_empty(), "the server was given no sealing key");
        Sealer { keys }
    }

    pub fn seal(&self, tenant: &str, model: &str, text: &str) -> String {
        let key = &self.keys[0];
        let bound = bound(tenant, model);
        let digest = derive(b"ozone nonce", &key.0, &[&bound, text.as_bytes()]);
        let nonce = XNonce::from_slice(&digest[..NONCE_BYTES]);
        let payload = Payload { msg: text.as_bytes(), aad: &bound };
        let sealed = XChaCha20Poly1305::new((&key.0).into())
            .encrypt(nonce, payload)
            .expect("texts are far smaller than the cipher's limit of 256 GiB");
        let token = [&key.id()[..], nonce, &sealed].concat();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(token))
    }

    pub fn open(&self, tenant: &str, model: &str, token: &str) -> Result<String, NotSealedHere> {
        let encoded = token.strip_prefix(PREFIX).ok_or(NotSealedHere)?;
        let token = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| NotSealedHere)?;
        let (id, rest) = token.split_at_checked(KEY_ID_BYTES).ok_or(NotSealedHere)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES).ok_or(NotSealedHere)?;
        let key = self.keys.iter().find(|k| k.id() == id).ok_or(NotSealedHere)?;
        let payload = Payload { msg: sealed, aad: &bound(tenant, model) };
        let text = XChaCha20Poly1305::new((&key.0).into())
            .decrypt(XNonce::from_slice(nonce), payload)
            .map_err(|_| NotSealedHere)?;
        String::from_utf8(text).map_err(|_| NotSealedHere)
    }
}

fn bound(tenant: &str, model: &str) -> Vec<u8> {
    [&(tenant.len() as u64).to_le_bytes()[..], tenant.as_bytes(), model.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_only_for_its_tenant_and_model() {
        let sealer = Sealer::new(vec![SealingKey::from_text("one")]);
        let token = sealer.seal("ann", "o3", "the thought");
        assert_eq!(sealer.open("ann", "o3", &token).as_deref(), Ok("the thought"));
        assert_eq!(token, sealer.seal("ann", "o3", "the thought"));
        assert!(sealer.open("bob", "o3", &token).is_err());
        assert!(sealer.open("ann", "o4-mini", &token).is_err());
        assert!(!token.contains("thought"));
    }

    #[test]
    fn a_changed_byte_is_noticed_wherever_it_is() {
        let sealer = Sealer::new(vec![SealingKey::from_text("one")]);
        let token = sealer.seal("ann", "o3", "the thought");
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            let cut = &token[..at];
            assert!(sealer.open("ann", "o3", &changed).is_err(), "byte {at}");
            assert!(sealer.open("ann", "o3", cut).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn keys_are_rotated() {
        let (old, new) = (SealingKey::from_text("old"), SealingKey::from_text("new"));
        let token = Sealer::new(vec![old.clone()]).seal("ann", "o3", "x");
        assert!(Sealer::new(vec![new.clone(), old]).open("ann", "o3", &token).is_ok());
        assert!(Sealer::new(vec![new]).open("ann", "o3", &token).is_err());
    }
}
