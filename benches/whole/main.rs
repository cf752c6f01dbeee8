//! End-to-end benchmarks of the program, compared with what the machine can do without it: `cargo bench --bench whole -- NAME`.
//!
//! Without a name, runs all of them. Prints tables; asserts no times. Files are put in `TEMPO_BENCH_DIR`, by default the build's temporary directory.

mod arrival;
mod bare;
mod features;
mod lateness;
mod page;
mod processes;
mod scale;
mod support;
mod throughput;
mod web;

fn main() {
    web::serve_if_asked();
    if lateness::stamp_if_asked() {
        return;
    }
    let names: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    for (name, run) in [
        ("processes", processes::run as fn()),
        ("throughput", throughput::run),
        ("arrival", arrival::run),
        ("lateness", lateness::run),
        ("scale", scale::run),
        ("features", features::run),
        ("web", page::run),
    ] {
        if names.is_empty() || names.iter().any(|a| a == name) {
            support::title(name);
            run();
        }
    }
}
