//! The tables of a page, out of its lines.

use crate::page::Page;

/// The first row is the head.
type Rows = Vec<Vec<String>>;

impl Page {
    /// The tables that stand in its lines as Markdown, without the marks of links.
    pub fn tables(&self) -> Vec<Rows> {
        let mut tables: Vec<Rows> = vec![];
        let mut lines = self.lines.iter().peekable();
        while let Some(line) = lines.next() {
            if !line.starts_with('|') || !lines.peek().is_some_and(|next| is_rule(next)) {
                continue;
            }
            lines.next();
            let mut rows = vec![cells(line)];
            while let Some(first) = lines.next_if(|next| next.starts_with('|')) {
                let mut row = first.clone();
                // A row that is too long for one line goes on on the next.
                while !row.ends_with('|') {
                    let Some(more) = lines.next_if(|next| !next.is_empty()) else { break };
                    row = format!("{row} {more}");
                }
                rows.push(cells(&row));
            }
            if rows.len() > 1 {
                tables.push(rows);
            }
        }
        tables
    }
}

fn is_rule(line: &str) -> bool {
    let inner = line.strip_prefix('|').and_then(|rest| rest.strip_suffix('|'));
    inner.is_some_and(|inner| inner.split('|').all(|cell| cell.trim() == "---"))
}

fn cells(row: &str) -> Vec<String> {
    let inner = row.strip_prefix('|').unwrap_or(row).trim_end();
    let inner = inner.strip_suffix('|').unwrap_or(inner);
    let (mut cells, mut cell, mut escaped) = (vec![], String::new(), false);
    for c in inner.chars() {
        match c {
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            '|' if !escaped => cells.push(std::mem::take(&mut cell)),
            c => {
                if escaped && c != '|' {
                    cell.push('\\');
                }
                cell.push(c);
            }
        }
        escaped = false;
    }
    cells.push(cell);
    cells.iter().map(|cell| unmarked(cell.trim())).collect()
}

/// A link's text in its place.
fn unmarked(cell: &str) -> String {
    let mut plain = String::new();
    let mut rest = cell;
    while let Some((before, from)) = rest.split_once('【') {
        plain.push_str(before);
        let (mark, after) = from.split_once('】').unwrap_or((from, ""));
        plain.push_str(mark.split('†').nth(1).unwrap_or(mark));
        rest = after;
    }
    plain.push_str(rest);
    plain
}
