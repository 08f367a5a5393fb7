//! XML as a walk over its nodes, without a tree in memory. Entities that a document defines itself
//! are not expanded: a billion laughs is an empty text.

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::Unreadable;

pub(crate) enum Node<'a> {
    /// Its name without a prefix.
    Start(&'a str, &'a BytesStart<'a>),
    End(&'a str),
    Text(&'a str),
}

pub(crate) fn walk(
    xml: &str,
    depth_max: usize,
    mut on: impl FnMut(Node<'_>) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let broken = |e: &dyn std::fmt::Display| {
        Unreadable::invalid(format!("The document is broken: its XML cannot be read ({e})."))
    };
    let mut reader = Reader::from_str(xml);
    let mut depth = 0;
    loop {
        match reader.read_event().map_err(|e| broken(&e))? {
            Event::Start(start) => {
                depth += 1;
                if depth > depth_max {
                    return Err(broken(&"its elements stand too deep within one another"));
                }
                on(Node::Start(start.local_name().as_ref(), &start))?;
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                on(Node::End(end.local_name().as_ref()))?;
            }
            Event::Empty(start) => {
                on(Node::Start(start.local_name().as_ref(), &start))?;
                on(Node::End(start.local_name().as_ref()))?;
            }
            Event::Text(text) => on(Node::Text(&text.xml10_content()))?,
            Event::CData(text) => on(Node::Text(&text.xml10_content()))?,
            Event::GeneralRef(entity) => match entity.resolve_char_ref() {
                Ok(Some(c)) => on(Node::Text(c.encode_utf8(&mut [0; 4])))?,
                Ok(None) | Err(_) => {
                    on(Node::Text(resolve_xml_entity(&entity).unwrap_or_default()))?;
                }
            },
            Event::Eof => return Ok(()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

/// An attribute by its name without a prefix.
pub(crate) fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = start.attributes();
    let mut found = attributes.with_checks(false).filter_map(Result::ok);
    let found = found.find(|a| a.key.local_name().as_ref() == name)?;
    found.normalized_value(XmlVersion::Implicit1_0).ok().map(|value| value.into_owned())
}
