//! The process in which the tests' server reads files.

fn main() -> std::process::ExitCode {
    ozone_files::serve()
}
