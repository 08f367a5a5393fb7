//! How many parts an SVG draws, counted before a renderer follows its references.

use std::collections::HashMap;

use resvg::usvg::roxmltree::{Document, Node, NodeId};

/// What a drawing may have.
pub(crate) struct Parts {
    /// Those that are repeated by reference counted each time.
    pub max: u64,
    /// How deep they may be nested.
    pub depth_max: usize,
    /// What an element counts for by itself, without its children.
    pub own: fn(Node) -> u64,
}

/// What a circle of references leads to.
const ENDLESS: u64 = u64::MAX;
/// References may lead deeper than elements are nested.
const REFERRED_DEPTH: usize = 8;

impl Parts {
    /// Says what is too much.
    pub(crate) fn check(&self, document: &Document) -> Result<(), String> {
        let (max, depth_max) = (self.max, self.depth_max);
        let depth_of = |node: Node| node.ancestors().take(depth_max + 2).count();
        if document.descendants().any(|node| depth_of(node) > depth_max + 1) {
            return Err(format!("its parts are nested more than {depth_max} deep"));
        }
        let ids: HashMap<&str, Node> =
            document.descendants().filter_map(|n| Some((n.attribute("id")?, n))).collect();
        // References of a style sheet are not followed below, so they may not lead to what holds
        // parts.
        let sheets = document.descendants().filter(|n| n.tag_name().name() == "style");
        for target in sheets.filter_map(|n| n.text()).flat_map(targets) {
            let name = ids.get(target).map_or("", |n| n.tag_name().name());
            if matches!(name, "pattern" | "mask" | "marker" | "clipPath") {
                return Err(format!(
                    "its style sheet refers to a {name}; write it as an attribute"
                ));
            }
        }
        if self.count(document.root_element(), &ids, &mut HashMap::new(), 0) > max {
            return Err(format!(
                "it draws more than {max} parts, or its references lead in a circle; draw it with \
                 fewer"
            ));
        }
        Ok(())
    }

    /// The parts of a node, with those that it refers to.
    fn count<'a>(
        &self,
        node: Node<'a, 'a>,
        ids: &HashMap<&str, Node<'a, 'a>>,
        counted: &mut HashMap<NodeId, Option<u64>>,
        depth: usize,
    ) -> u64 {
        if depth > REFERRED_DEPTH * self.depth_max {
            return ENDLESS;
        }
        match counted.insert(node.id(), None) {
            None => {}
            Some(Some(known)) => {
                counted.insert(node.id(), Some(known));
                return known;
            }
            // Under way: this node is part of itself.
            Some(None) => return ENDLESS,
        }
        let mut sum = (self.own)(node);
        for child in node.children().filter(Node::is_element) {
            sum = sum.saturating_add(self.count(child, ids, counted, depth + 1));
        }
        // A link of a page leads somewhere and draws nothing.
        let is_link = node.tag_name().name() == "a";
        for target in node.attributes().filter(|_| !is_link).flat_map(|a| targets(a.value())) {
            if let Some(other) = ids.get(target) {
                sum = sum.saturating_add(self.count(*other, ids, counted, depth + 1));
            }
        }
        counted.insert(node.id(), Some(sum));
        sum
    }
}

/// `#id` of a reference, and each `url(#id)` of a paint, a mask, a filter, a marker or a pattern.
fn targets(value: &str) -> impl Iterator<Item = &str> {
    let whole = value.trim().strip_prefix('#');
    let urls = value.split("url(").skip(1).filter_map(|rest| {
        let inside = rest.split(')').next()?.trim().trim_matches(['"', '\'']);
        inside.strip_prefix('#')
    });
    whole.into_iter().chain(urls)
}
