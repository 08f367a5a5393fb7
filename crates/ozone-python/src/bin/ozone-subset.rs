//! The subset interpreter's worker as a program of its own. `ozone` contains it too; this one
//! serves programs that embed `ozone-python`.

use std::process::ExitCode;

use ozone_python::Subset;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(Subset::WORKER_ARGUMENT) => Subset::serve(),
        _ => {
            eprintln!("started by ozone inside its sandbox, with {}", Subset::WORKER_ARGUMENT);
            ExitCode::from(2)
        }
    }
}
