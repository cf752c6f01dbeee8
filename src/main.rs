//! One call into the library.

fn main() -> std::process::ExitCode {
    tempo::main()
}
