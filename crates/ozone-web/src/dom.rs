//! HTML to a tree, within limits.
//!
//! The tree is an arena, so that no depth of nesting can exhaust a stack, neither here nor when it is
//! dropped. The parser is fed in pieces and stopped where the page grows too deep, too large or too
//! slow: parts of its work grow with the square of what is nested or of one tag's attributes.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::{Attribute, ParseOpts, QualName, parse_document};

/// Elements within one another; no honest page has so many.
const DEPTH_MAX: u32 = 2000;
const NODES_MAX: usize = 1_000_000;
const TIME_MAX: Duration = Duration::from_secs(5);
/// How much is parsed between two looks at the limits.
const PIECE_BYTES: usize = 8 * 1024;

pub(crate) type NodeId = usize;
/// The document itself.
pub(crate) const ROOT: NodeId = 0;

pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// Why the rest of the page was not read.
    pub cut: Option<&'static str>,
}

struct Node {
    parent: Option<NodeId>,
    children: Vec<NodeId>,
    depth: u32,
    content: Content,
}

pub(crate) enum Content {
    Element {
        name: String,
        attributes: Vec<(String, String)>,
    },
    Text(String),
    Comment(String),
    /// The document, and what has neither name nor text.
    Plain,
}

impl Tree {
    pub fn parse(html: &str) -> Tree {
        let sink = Sink::default();
        let mut parser = parse_document(sink, ParseOpts::default());
        let (began, mut cut, mut rest) = (Instant::now(), None, html);
        while !rest.is_empty() && cut.is_none() {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES));
            parser.process(StrTendril::from_slice(piece));
            rest = after;
            let sink = &parser.tokenizer.sink.sink;
            cut = match () {
                () if sink.deepest.get() > DEPTH_MAX => Some("its elements are nested too deep"),
                () if sink.nodes.borrow().len() > NODES_MAX => Some("it has too many elements"),
                () if began.elapsed() > TIME_MAX => Some("it takes too long to read"),
                () => None,
            };
        }
        Tree { nodes: parser.finish(), cut: cut.filter(|_| !rest.is_empty()) }
    }

    pub fn content(&self, id: NodeId) -> &Content {
        &self.nodes[id].content
    }

    pub fn children(&self, id: NodeId) -> &[NodeId] {
        &self.nodes[id].children
    }

    /// The name of an element; empty for whatever is none.
    pub fn name(&self, id: NodeId) -> &str {
        match self.content(id) {
            Content::Element { name, .. } => name,
            _ => "",
        }
    }

    pub fn attribute(&self, id: NodeId, key: &str) -> Option<&str> {
        let Content::Element { attributes, .. } = self.content(id) else { return None };
        attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Everything below a node, in the order of the page, with the node itself first.
    pub fn below(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let mut stack = vec![id];
        std::iter::from_fn(move || {
            let next = stack.pop()?;
            stack.extend(self.children(next).iter().rev());
            Some(next)
        })
    }
}

/// A node with its name: the parser asks for names all the time.
#[derive(Clone)]
struct Handle {
    id: NodeId,
    name: Rc<QualName>,
}

struct Sink {
    nodes: RefCell<Vec<Node>>,
    deepest: Cell<u32>,
    unnamed: Rc<QualName>,
}

impl Default for Sink {
    fn default() -> Self {
        let root = Node { parent: None, children: vec![], depth: 0, content: Content::Plain };
        let unnamed = QualName::new(None, html5ever::ns!(), html5ever::local_name!(""));
        Sink { nodes: RefCell::new(vec![root]), deepest: Cell::new(0), unnamed: Rc::new(unnamed) }
    }
}

impl Sink {
    fn create(&self, content: Content, name: Rc<QualName>) -> Handle {
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node { parent: None, children: vec![], depth: 0, content });
        Handle { id: nodes.len() - 1, name }
    }

    /// Puts a child at a place among its parent's children. Text joins text before it.
    fn insert(&self, parent: NodeId, at: usize, child: NodeOrText<Handle>) {
        let id = match child {
            NodeOrText::AppendNode(handle) => {
                self.detach(handle.id);
                handle.id
            }
            NodeOrText::AppendText(text) => {
                let mut nodes = self.nodes.borrow_mut();
                let before = at.checked_sub(1).and_then(|i| nodes[parent].children.get(i).copied());
                if let Some(Content::Text(before)) = before.map(|id| &mut nodes[id].content) {
                    return before.push_str(&text);
                }
                drop(nodes);
                self.create(Content::Text(text.to_string()), self.unnamed.clone()).id
            }
        };
        let mut nodes = self.nodes.borrow_mut();
        let depth = nodes[parent].depth + 1;
        (nodes[id].parent, nodes[id].depth) = (Some(parent), depth);
        let at = at.min(nodes[parent].children.len());
        nodes[parent].children.insert(at, id);
        self.deepest.set(self.deepest.get().max(depth));
    }

    fn detach(&self, id: NodeId) {
        let mut nodes = self.nodes.borrow_mut();
        let Some(parent) = nodes[id].parent.take() else { return };
        let siblings = &mut nodes[parent].children;
        // What is moved was mostly put there last.
        if let Some(at) = siblings.iter().rposition(|child| *child == id) {
            siblings.remove(at);
        }
    }

    fn children(&self, id: NodeId) -> usize {
        self.nodes.borrow()[id].children.len()
    }
}

impl TreeSink for Sink {
    type Handle = Handle;
    type Output = Vec<Node>;
    type ElemName<'a> = &'a QualName;

    fn finish(self) -> Vec<Node> {
        self.nodes.into_inner()
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Handle {
        Handle { id: ROOT, name: self.unnamed.clone() }
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> &'a QualName {
        &target.name
    }

    fn create_element(&self, name: QualName, attrs: Vec<Attribute>, _: ElementFlags) -> Handle {
        let attributes = attrs.into_iter().map(|a| (a.name.local.to_string(), a.value.to_string()));
        let attributes = attributes.collect();
        let content = Content::Element { name: name.local.to_string(), attributes };
        self.create(content, Rc::new(name))
    }

    fn create_comment(&self, text: StrTendril) -> Handle {
        self.create(Content::Comment(text.to_string()), self.unnamed.clone())
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Handle {
        self.create(Content::Plain, self.unnamed.clone())
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        self.insert(parent.id, self.children(parent.id), child);
    }

    fn append_based_on_parent_node(
        &self,
        element: &Handle,
        prev_element: &Handle,
        child: NodeOrText<Handle>,
    ) {
        if self.nodes.borrow()[element.id].parent.is_some() {
            self.append_before_sibling(element, child);
        } else {
            self.append(prev_element, child);
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    /// A template's contents are no part of the page: they hang below it, where nobody looks.
    fn get_template_contents(&self, target: &Handle) -> Handle {
        target.clone()
    }

    fn same_node(&self, x: &Handle, y: &Handle) -> bool {
        x.id == y.id
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &Handle, new_node: NodeOrText<Handle>) {
        if let NodeOrText::AppendNode(node) = &new_node {
            self.detach(node.id);
        }
        let place = {
            let nodes = self.nodes.borrow();
            nodes[sibling.id].parent.and_then(|parent| {
                let at = nodes[parent].children.iter().rposition(|child| *child == sibling.id)?;
                Some((parent, at))
            })
        };
        if let Some((parent, at)) = place {
            self.insert(parent, at, new_node);
        }
    }

    fn add_attrs_if_missing(&self, target: &Handle, attrs: Vec<Attribute>) {
        let mut nodes = self.nodes.borrow_mut();
        let Content::Element { attributes, .. } = &mut nodes[target.id].content else { return };
        for attr in attrs {
            let name = attr.name.local.to_string();
            if !attributes.iter().any(|(own, _)| *own == name) {
                attributes.push((name, attr.value.to_string()));
            }
        }
    }

    fn remove_from_parent(&self, target: &Handle) {
        self.detach(target.id);
    }

    fn reparent_children(&self, node: &Handle, new_parent: &Handle) {
        let mut nodes = self.nodes.borrow_mut();
        let depth = nodes[new_parent.id].depth + 1;
        for child in std::mem::take(&mut nodes[node.id].children) {
            (nodes[child].parent, nodes[child].depth) = (Some(new_parent.id), depth);
            nodes[new_parent.id].children.push(child);
        }
        self.deepest.set(self.deepest.get().max(depth));
    }
}
