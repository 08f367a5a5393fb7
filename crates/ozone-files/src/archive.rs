//! Archives: what they hold, and the text of each member that is a document or a text itself.
//!
//! Nothing is written to a disk, so names that lead elsewhere lead nowhere. An archive within an
//! archive is named and not opened.

use std::fmt::Write as _;
use std::io::Cursor;

use flate2::read::MultiGzDecoder;

use crate::unpack::{Package, Skipped, plain, unpacked};
use crate::{Kind, Out, Unit, Unreadable};

/// Members that are named in the list, and members of which is said why they are not read.
const LISTED_MAX: usize = 2_000;
const NOTES_MAX: usize = 20;

/// A member of an archive, before it is unpacked.
struct Member {
    name: String,
    bytes: u64,
    index: usize,
}

pub(crate) fn read(
    kind: Kind,
    name: &str,
    bytes: &[u8],
    out: &mut Out<'_>,
) -> Result<(), Unreadable> {
    if !out.is_alone() {
        return Err(Unreadable::Unsupported(format!(
            "It is {} within an archive, and is not opened.",
            kind.name()
        )));
    }
    match kind {
        Kind::Gzip => gzip(name, bytes, out),
        Kind::Tar => tar(Kind::Tar, bytes, out),
        _ => zip(bytes, out),
    }
}

fn zip(bytes: &[u8], out: &mut Out<'_>) -> Result<(), Unreadable> {
    let mut package = Package::open(bytes, out)?;
    let mut members = vec![];
    for index in 0..package.zip.len() {
        let Ok(member) = package.zip.by_index_raw(index) else { continue };
        if member.is_file() {
            let name = plain(&member.name().unwrap_or_default());
            members.push(Member { name, bytes: member.size(), index });
        }
    }
    list(Kind::Zip, &members, out)?;
    let mut notes = 0;
    for member in &members {
        let unpacked = package.bytes(member.index, out);
        take(member, unpacked, out, &mut notes)?;
    }
    Ok(())
}

fn tar(kind: Kind, bytes: &[u8], out: &mut Out<'_>) -> Result<(), Unreadable> {
    let broken = |e: std::io::Error| {
        Unreadable::invalid(format!("The tar archive could not be read ({e}); it may be broken."))
    };
    let is_file = |kind: tar::EntryType| kind.is_file() || kind.is_gnu_sparse();
    let mut members = vec![];
    for (entry, index) in tar::Archive::new(Cursor::new(bytes)).entries().map_err(broken)?.zip(0..)
    {
        let entry = entry.map_err(broken)?;
        if index >= out.limits.entries_max {
            let max = out.limits.entries_max;
            let why =
                format!("The archive has more than {max} members, which is more than are read.");
            return Err(Unreadable::Invalid(why));
        }
        if is_file(entry.header().entry_type()) {
            let name = plain(&String::from_utf8_lossy(&entry.path_bytes()));
            members.push(Member { name, bytes: entry.size(), index });
        }
    }
    list(kind, &members, out)?;
    let (mut notes, mut wanted) = (0, members.iter().peekable());
    for (entry, index) in tar::Archive::new(Cursor::new(bytes)).entries().map_err(broken)?.zip(0..)
    {
        let entry = entry.map_err(broken)?;
        let Some(member) = wanted.next_if(|member| member.index == index) else { continue };
        let mut content = vec![];
        // It is not packed; what a hole in a sparse file takes is held to the same limits.
        let read = unpacked(entry, &member.name, bytes.len() as u64, out, |chunk| {
            content.extend_from_slice(chunk);
        });
        take(member, read.map(|()| content), out, &mut notes)?;
    }
    Ok(())
}

/// One packed file, which may be a tar archive.
fn gzip(name: &str, bytes: &[u8], out: &mut Out<'_>) -> Result<(), Unreadable> {
    let lower = name.to_lowercase();
    let inner = match lower.strip_suffix(".tgz") {
        Some(stem) => format!("{}.tar", &name[..stem.len().min(name.len())]),
        None => name.get(..name.len().saturating_sub(3)).unwrap_or(name).to_owned(),
    };
    let mut content = vec![];
    unpacked(MultiGzDecoder::new(bytes), name, bytes.len() as u64, out, |chunk| {
        content.extend_from_slice(chunk);
    })?;
    match Kind::of(&inner, &content)? {
        Kind::Tar => tar(Kind::Tar, &content, out),
        Kind::Gzip | Kind::Zip => Err(Unreadable::Unsupported(
            "The file is an archive within an archive; send the inner one.".into(),
        )),
        _ => crate::document(&inner, &content, out),
    }
}

fn list(kind: Kind, members: &[Member], out: &mut Out<'_>) -> Result<(), Unreadable> {
    let count = members.len();
    let mut text =
        format!("The archive holds {count} file{}:\n", if count == 1 { "" } else { "s" });
    for member in members.iter().take(LISTED_MAX) {
        let _ = writeln!(text, "- {} ({} bytes)", member.name, member.bytes);
    }
    if count > LISTED_MAX {
        let _ = writeln!(text, "[{} more files omitted]", count - LISTED_MAX);
    }
    out.begins(kind, None);
    out.part(Unit::Contents, 1, None, text)
}

/// Reads a member as the document that it is.
fn take(
    member: &Member,
    content: Result<Vec<u8>, Skipped>,
    out: &mut Out<'_>,
    notes: &mut usize,
) -> Result<(), Unreadable> {
    let read = match content {
        Err(Skipped::Archive(why)) => return Err(why),
        Err(Skipped::Member(why)) => Err(Unreadable::Invalid(why)),
        Ok(content) if content.is_empty() => Ok(()),
        Ok(content) => {
            out.entry = Some(member.name.clone());
            let read = crate::document(&member.name, &content, out);
            out.entry = None;
            read
        }
    };
    // One member too large must not take the place of those behind it: only room ends the reading.
    out.has_room(1)?;
    if let Err(why) = read {
        *notes += 1;
        if *notes <= NOTES_MAX {
            out.note(format!("`{}` is not read: {why}", member.name));
        }
    }
    Ok(())
}
