//! A PDF of one page of text: as little of the format as readers need.

use std::fmt::Write as _;

const LINES_MAX: usize = 44;

/// Lines of text, each in columns that begin at the given points. What is not ASCII becomes `?`.
pub fn page(title: &str, rows: &[Vec<(u32, String)>]) -> Vec<u8> {
    let mut drawn = format!("BT /F2 16 Tf 1 0 0 1 60 780 Tm ({}) Tj ET\n", escaped(title));
    for (at, row) in rows.iter().take(LINES_MAX).enumerate() {
        for (x, text) in row {
            let y = 750 - 16 * at;
            let _ = writeln!(drawn, "BT /F1 11 Tf 1 0 0 1 {x} {y} Tm ({}) Tj ET", escaped(text));
        }
    }
    let font = |name| {
        format!("<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>")
    };
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 6 0 R /Resources << /Font \
         << /F1 4 0 R /F2 5 0 R >> >> >>"
            .to_owned(),
        font("Helvetica"),
        font("Helvetica-Bold"),
        format!("<< /Length {} >>\nstream\n{drawn}endstream", drawn.len()),
        format!("<< /Title ({}) >>", escaped(title)),
    ];
    let mut file = String::from("%PDF-1.4\n");
    let mut starts = vec![];
    for (at, object) in objects.iter().enumerate() {
        starts.push(file.len());
        let _ = write!(file, "{} 0 obj\n{object}\nendobj\n", at + 1);
    }
    let (count, table) = (objects.len() + 1, file.len());
    let _ = write!(file, "xref\n0 {count}\n0000000000 65535 f \n");
    for start in starts {
        let _ = writeln!(file, "{start:010} 00000 n ");
    }
    let _ = write!(
        file,
        "trailer\n<< /Size {count} /Root 1 0 R /Info 7 0 R >>\nstartxref\n{table}\n%%EOF\n"
    );
    file.into_bytes()
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '(' | ')' | '\\' => out.extend(['\\', c]),
            c if c.is_ascii_graphic() || c == ' ' => out.push(c),
            _ => out.push('?'),
        }
    }
    out
}
