//! The `irongate` program: everything is in the library.

fn main() -> std::process::ExitCode {
    irongate::cli::run()
}
