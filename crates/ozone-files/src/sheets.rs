//! Spreadsheets: each sheet as lines of cells with tabs between them.

use std::io::Cursor;

use calamine::{Data, DataRef, Ods, Reader, Xls, Xlsb, Xlsx};

use crate::kind::Sheets;
use crate::unpack::Package;
use crate::{Kind, Out, Unit, Unreadable};

type Bytes<'a> = Cursor<&'a [u8]>;

pub(crate) fn read(format: Sheets, bytes: &[u8], out: &mut Out<'_>) -> Result<(), Unreadable> {
    // The parser unpacks by itself, and trusts what it finds.
    if format != Sheets::Xls {
        Package::open(bytes, out)?.check(out)?;
    }
    let from = Cursor::new(bytes);
    match format {
        Sheets::Xlsx => {
            let mut book: Xlsx<Bytes<'_>> = Xlsx::new(from).map_err(broken)?;
            each(format, book.sheet_names(), out, |name, lines| {
                let mut cells = book.worksheet_cells_reader(name).map_err(broken)?;
                while let Some(cell) = cells.next_cell().map_err(broken)? {
                    lines.cell(cell.get_position(), &shown_ref(cell.get_value()))?;
                }
                Ok(())
            })
        }
        Sheets::Xlsb => {
            let mut book: Xlsb<Bytes<'_>> = Xlsb::new(from).map_err(broken)?;
            each(format, book.sheet_names(), out, |name, lines| {
                let mut cells = book.worksheet_cells_reader(name).map_err(broken)?;
                while let Some(cell) = cells.next_cell().map_err(broken)? {
                    lines.cell(cell.get_position(), &shown_ref(cell.get_value()))?;
                }
                Ok(())
            })
        }
        Sheets::Xls => {
            let mut book: Xls<Bytes<'_>> = Xls::new(from).map_err(broken)?;
            each(format, book.sheet_names(), out, |name, lines| {
                lines.range(&book.worksheet_range(name).map_err(broken)?)
            })
        }
        Sheets::Ods => {
            let mut book: Ods<Bytes<'_>> = Ods::new(from).map_err(broken)?;
            each(format, book.sheet_names(), out, |name, lines| {
                lines.range(&book.worksheet_range(name).map_err(broken)?)
            })
        }
    }
}

fn each(
    format: Sheets,
    names: Vec<String>,
    out: &mut Out<'_>,
    mut cells: impl FnMut(&str, &mut Lines) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    out.begins(Kind::Sheets(format), Some(names.len()));
    let mut cells_left = out.limits.cells_max;
    for (name, number) in names.iter().zip(1..) {
        let text = format!("Sheet: {name}\n");
        let head_bytes = text.len();
        let bytes_max = out.limits.text_bytes_max;
        let mut lines = Lines { text, row: 0, column: 0, cells_left, bytes_max };
        cells(name, &mut lines)?;
        cells_left = lines.cells_left;
        let text = if lines.text.len() == head_bytes { String::new() } else { lines.text };
        out.part(Unit::Sheet, number, Some(name), text)?;
    }
    Ok(())
}

/// The lines of one sheet. Empty rows are left out, and empty cells before a full one are tabs.
struct Lines {
    text: String,
    /// Of the last cell that was written, from 0.
    row: u32,
    column: u32,
    cells_left: u64,
    bytes_max: usize,
}

impl Lines {
    fn cell(&mut self, (row, column): (u32, u32), value: &str) -> Result<(), Unreadable> {
        if value.is_empty() {
            return Ok(());
        }
        if row != self.row {
            self.end_row();
            (self.row, self.column) = (row, 0);
        }
        let tabs = column.saturating_sub(self.column);
        let counted = u64::from(tabs) + 1;
        let too_much = || {
            let why = "The workbook has more cells than are read; send the sheets that matter, or as \
                       CSV for Python.";
            Unreadable::invalid(why)
        };
        self.cells_left = self.cells_left.checked_sub(counted).ok_or_else(too_much)?;
        if self.text.len() + tabs as usize + value.len() > self.bytes_max {
            return Err(too_much());
        }
        self.text.extend(std::iter::repeat_n('\t', tabs as usize));
        self.column = self.column.max(column);
        // A cell is one place in one line.
        self.text.extend(value.chars().map(|c| if c.is_control() { ' ' } else { c }));
        Ok(())
    }

    fn end_row(&mut self) {
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn range(&mut self, range: &calamine::Range<Data>) -> Result<(), Unreadable> {
        let (top, left) = range.start().unwrap_or_default();
        for (row, column, value) in range.used_cells() {
            let place = (top.saturating_add(row as u32), left.saturating_add(column as u32));
            self.cell(place, &shown(value))?;
        }
        Ok(())
    }
}

fn shown_ref(value: &DataRef<'_>) -> String {
    shown(&Data::from(value.clone()))
}

/// As the sheet means it; dates by the calendar.
fn shown(value: &Data) -> String {
    match value {
        Data::Empty => String::new(),
        Data::DateTime(at) if at.is_datetime() => {
            let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
            match (hour, minute, second) {
                (0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
                _ => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"),
            }
        }
        Data::DateTime(span) => span.as_f64().to_string(),
        other => other.to_string(),
    }
}

fn broken(e: impl std::fmt::Display) -> Unreadable {
    Unreadable::invalid(format!("The workbook could not be read ({e}); it may be broken."))
}
