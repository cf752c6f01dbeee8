//! One call into the library.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
