//! The process that reads files, as a program of its own. `ozone` contains it too; this one serves
//! tests, and programs that embed the server.

use std::process::ExitCode;

use ozone_files::Reader;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(Reader::ARGUMENT) => ozone_files::serve(),
        _ => {
            eprintln!("started by ozone to read one file, with {}", Reader::ARGUMENT);
            ExitCode::from(2)
        }
    }
}
