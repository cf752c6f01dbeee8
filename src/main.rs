//! The `tempo` binary: calls the library.

fn main() -> std::process::ExitCode {
    tempo::main()
}
