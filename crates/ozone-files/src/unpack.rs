//! What is packed, unpacked within limits: what a member says of its own size is not believed.

use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::{Out, RATIO_FREE_BYTES, Unreadable};

const CHUNK_BYTES: usize = 64 << 10;

/// Why one member is not read; the archive may go on.
pub(crate) enum Skipped {
    /// The member alone.
    Member(String),
    /// The whole archive is refused.
    Archive(Unreadable),
}

impl From<Skipped> for Unreadable {
    fn from(skipped: Skipped) -> Self {
        match skipped {
            Skipped::Member(why) => Unreadable::Invalid(why),
            Skipped::Archive(why) => why,
        }
    }
}

/// Reads to the end, and hands on what it reads. Counts what is unpacked in all.
pub(crate) fn unpacked(
    mut from: impl Read,
    name: &str,
    packed_bytes: u64,
    out: &mut Out<'_>,
    mut take: impl FnMut(&[u8]),
) -> Result<(), Skipped> {
    let limits = out.limits;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut bytes = 0u64;
    loop {
        let read = from.read(&mut chunk).map_err(|e| {
            Skipped::Member(format!("`{name}` could not be unpacked ({e}); it is damaged."))
        })?;
        if read == 0 {
            return Ok(());
        }
        bytes += read as u64;
        out.unpacked += read as u64;
        let ratio_max = packed_bytes.max(1).saturating_mul(limits.ratio_max);
        if bytes > RATIO_FREE_BYTES && bytes > ratio_max {
            return Err(Skipped::Archive(Unreadable::invalid(format!(
                "`{name}` unpacks to more than {} times its size: that is how archives are made \
                 which shall exhaust whoever opens them. Nothing of it is read.",
                limits.ratio_max
            ))));
        }
        if out.unpacked > limits.unpacked_bytes_max {
            return Err(Skipped::Archive(Unreadable::invalid(format!(
                "The file unpacks to more than {} MiB; send what matters alone.",
                limits.unpacked_bytes_max >> 20
            ))));
        }
        if bytes > limits.member_bytes_max {
            return Err(Skipped::Member(format!(
                "`{name}` unpacks to more than {} MiB, and is not read.",
                limits.member_bytes_max >> 20
            )));
        }
        take(&chunk[..read]);
    }
}

/// A ZIP archive, or an Office document, which is one.
pub(crate) struct Package<'a> {
    pub zip: ZipArchive<Cursor<&'a [u8]>>,
}

impl<'a> Package<'a> {
    pub fn open(bytes: &'a [u8], out: &Out<'_>) -> Result<Self, Unreadable> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| broken(&e))?;
        if zip.len() > out.limits.entries_max {
            return Err(Unreadable::invalid(format!(
                "The archive has {} members, and at most {} are read.",
                zip.len(),
                out.limits.entries_max
            )));
        }
        Ok(Package { zip })
    }

    pub fn bytes(&mut self, index: usize, out: &mut Out<'_>) -> Result<Vec<u8>, Skipped> {
        let mut bytes = vec![];
        self.each(index, out, |chunk| bytes.extend_from_slice(chunk))?;
        Ok(bytes)
    }

    fn each(
        &mut self,
        index: usize,
        out: &mut Out<'_>,
        take: impl FnMut(&[u8]),
    ) -> Result<(), Skipped> {
        let member = self.zip.by_index(index).map_err(|e| Skipped::Member(said(&e)))?;
        let name = plain(&member.name().unwrap_or_default());
        let packed_bytes = member.compressed_size();
        unpacked(member, &name, packed_bytes, out, take)
    }

    /// A member as text; `None` where there is none of this name.
    pub fn text(&mut self, name: &str, out: &mut Out<'_>) -> Result<Option<String>, Unreadable> {
        let Some(index) = self.zip.index_for_name(name) else { return Ok(None) };
        let bytes = self.bytes(index, out)?;
        crate::text::decoded(&bytes).map(Some)
    }

    pub fn required(&mut self, name: &str, out: &mut Out<'_>) -> Result<String, Unreadable> {
        let missing =
            || Unreadable::invalid(format!("The document is broken: it has no `{name}`."));
        self.text(name, out)?.ok_or_else(missing)
    }

    /// Unpacks everything once, keeping nothing: for parsers that believe what members say.
    pub fn check(&mut self, out: &mut Out<'_>) -> Result<(), Unreadable> {
        for index in 0..self.zip.len() {
            self.each(index, out, |_| {})?;
        }
        Ok(())
    }
}

fn broken(e: &ZipError) -> Unreadable {
    Unreadable::invalid(format!("The archive is broken: {}.", said(e)))
}

fn said(e: &ZipError) -> String {
    e.to_string().trim_end_matches('.').to_owned()
}

/// A member's name as it may be shown.
pub(crate) fn plain(name: &str) -> String {
    const CHARS_MAX: usize = 200;
    name.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect()
}
